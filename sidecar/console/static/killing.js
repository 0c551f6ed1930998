// Asks how far the last change is, often until everybody has it.

let told = "";
let asked = 0;
async function look() {
  const old = document.getElementById("spread");
  if (!old || document.hidden) return;
  const due = { going: 250, told: 1000 }[old.dataset.state] || 3000;
  if (Date.now() - asked < due) return;
  asked = Date.now();
  try {
    const answer = await fetch("/console/kill/spread");
    if (!answer.ok || answer.redirected) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const next = page.getElementById("spread"), here = document.getElementById("spread");
    if (!next || !here || here.innerHTML === next.innerHTML) return;
    here.replaceWith(next);
    const said = next.querySelector("strong").textContent;
    if (said !== told) document.getElementById("spread-live").textContent = told = said;
  } catch { /* the header says that the sidecar does not answer */ }
}
setInterval(look, 200);

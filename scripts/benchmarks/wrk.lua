-- The host of the URL is the one that the server is asked for, in TLS too; the connection goes to this machine.
function wrk.resolve(host, service)
   wrk.addrs = wrk.lookup("127.0.0.1", service)
end

-- One line of JSON, the last one; times in microseconds.
function done(summary, latency, requests)
   local e = summary.errors
   io.write(string.format(
      '{"requests":%d,"us":%d,"p50_us":%d,"p99_us":%d,"max_us":%d,"ended":%d,"errors":%d}\n',
      summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), latency.max,
      e.read, e.connect + e.write + e.status + e.timeout))
end

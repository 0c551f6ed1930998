"""What is defended, and by which tests: docs/security.md has this table. A test is `path::name`, under `tests/`."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Item:
    """`holds` is what is guaranteed."""

    id: str
    what: str
    holds: str
    tests: tuple[str, ...]


def _item(number: int, what: str, holds: str, tests: str) -> Item:
    return Item(f"S{number}", what, holds, tuple(tests.split()))


SECTIONS: dict[str, tuple[Item, ...]] = {
    "Keys and tenants": (
        _item(
            1,
            "credentials in keys",
            "A declared credential is in no key, answer, log, metric or file; clients that differ in nothing "
            "else share an entry, and only holdover's own credential goes to the provider.",
            "e2e/test_secrets.py::test_two_clients_keys_lead_to_one_key "
            "e2e/test_secrets.py::test_the_provider_got_holdovers_credential_for_what_is_cached "
            "holdover/test_key.py::test_a_declared_credential_in_the_query_leaves_no_trace "
            "holdover/test_key.py::test_a_declared_credential_in_a_header_leaves_no_trace",
        ),
        _item(
            2,
            "hits without a valid credential",
            'Only who the provider accepted lately gets stored answers (`clients = "known"`); "open" shares '
            "with whoever reaches holdover, by choice.",
            "e2e/test_admission.py::test_a_wrong_key_gets_the_vendors_own_401_every_time "
            "e2e/test_admission.py::test_no_key_at_all_gets_the_vendors_own_401 "
            "e2e/test_admission.py::test_open_to_everybody_who_reaches_it",
        ),
        _item(
            3,
            "one tenant's answer to another",
            "What was asked for with a client's own credential goes to nobody else, unless the answer says so "
            "(`public`, with freshness by the origin). A field has one if its name says so (words like `key`, "
            "`token`, `session`), or is declared, or is in `personal`. With a window, a request with one that the "
            "provider does not declare passes and is not stored.",
            "security/test_crossings.py::test_nobody_gets_what_anothers_credential_got "
            "holdover/test_personal.py::test_what_tells_who_asks_is_known_by_its_name "
            "e2e/test_origin_mode.py::test_what_was_asked_by_somebody_is_nobody_elses "
            "e2e/test_tenants.py::test_with_answers_of_its_own_a_tenant_gets_what_its_own_credential_got "
            "e2e/test_tenants.py::test_with_plans_a_tenant_gets_what_its_plan_gets "
            "holdover/test_key.py::test_a_personal_header_goes_past_the_cache",
        ),
        _item(
            4,
            "shared cookies",
            "No shared answer has a Set-Cookie, neither from the store nor for those who waited together.",
            "e2e/test_answers.py::test_a_cookie_is_for_nobody_else "
            "e2e/test_answers.py::test_the_cookie_of_a_kept_refusal_is_for_nobody_else "
            "holdover/test_intake.py::test_header_fields_that_are_not_kept "
            "security/test_crossings.py::test_nobody_gets_what_anothers_credential_got",
        ),
        _item(
            5,
            "fields that are not in the key",
            "The request for what is cached is holdover's own: of a client's header fields only those go to "
            "the provider that the route names, or by which its answers say to vary, and these are in the key.",
            "security/test_poisoning.py::test_a_field_that_is_not_in_the_key_goes_no_further "
            "security/test_poisoning.py::test_all_of_them_at_once "
            "holdover/test_key.py::test_only_header_fields_that_the_route_names_are_part_of_the_key "
            "e2e/test_window_mode.py::test_vary_selects",
        ),
        _item(
            6,
            "CORS",
            "A client's Origin does not reach the provider of a cached route, so no answer can reflect it, but where "
            "`headers` names it or the answers say to vary by it, and then each has its own. With `freshness = "
            '"origin"` it does, and what allows a single origin is given to that one alone, whatever Vary says.',
            "security/test_poisoning.py::test_a_field_that_is_not_in_the_key_goes_no_further "
            "holdover/test_key.py::test_only_header_fields_that_the_route_names_are_part_of_the_key "
            "holdover/caching/test_reuse.py::test_what_one_origin_may_read_is_for_that_one",
        ),
        _item(
            7,
            "GET with a body",
            "It goes past the cache; nothing of it is stored.",
            "security/test_poisoning.py::test_a_get_with_a_body_leaves_nothing_for_those_without "
            "holdover/test_key.py::test_a_body_goes_past_the_cache",
        ),
        _item(
            8,
            "other methods",
            "HEAD is asked for as GET; other methods are neither answered from the cache nor stored, TRACE is "
            "refused. Overrides in fields do not reach the provider of what is cached; what passes has all fields of "
            "the client that are not for the next hop alone, these too.",
            "security/test_poisoning.py::test_a_head_leaves_a_whole_answer "
            "security/test_poisoning.py::test_another_method_is_neither_answered_from_the_cache_nor_kept "
            "security/test_poisoning.py::test_a_field_that_is_not_in_the_key_goes_no_further "
            "e2e/test_origin_mode.py::test_what_turns_a_request_into_another_is_not_asked_for_all "
            "security/test_hops.py::test_to_the_provider "
            "holdover/test_key.py::test_other_methods_go_past_the_cache",
        ),
        _item(
            9,
            "two requests under one key",
            "Hashed and sent is the same canonical request; its parts are hashed with their lengths; what has no one "
            "meaning passes.",
            "holdover/test_key.py::test_keys_are_equal_exactly_when_requests_are "
            "holdover/test_key.py::test_moving_a_boundary_moves_the_key "
            "holdover/test_key.py::test_the_target_is_its_own_canonical_form "
            "holdover/test_key.py::test_a_query_without_one_meaning_goes_past_the_cache "
            "holdover/test_rules.py::test_paths_without_a_canonical_form "
            "holdover/test_rules.py::test_dot_segments_behind_an_encoded_slash_have_no_canonical_form",
        ),
        _item(
            10,
            "two hosts in one request",
            "An absolute target with another host is refused, as are two Host fields; what is called is the "
            "configured origin.",
            "e2e/test_modes.py::test_an_absolute_target_with_a_foreign_authority_is_refused "
            "e2e/test_modes.py::test_a_host_of_no_provider_is_refused_in_reverse_mode "
            "security/test_corpus.py::test_what_comes_of_it",
        ),
        _item(
            11,
            "cache deception",
            "A route is the whole path: what only resembles one passes with the client's own credential and is not "
            "stored, dots behind encoded slashes too.",
            "security/test_poisoning.py::test_what_only_looks_like_a_route_is_not_kept "
            "holdover/test_rules.py::test_what_only_resembles_a_route_matches_none "
            "holdover/test_rules.py::test_dot_segments_behind_an_encoded_slash_have_no_canonical_form",
        ),
        _item(
            12,
            "ever new queries",
            "Store, memory and refreshes have limits, no metric has a key for a label; "
            "`python -m scripts.flood` floods a running house.",
            "security/test_flood.py::test_ever_new_queries_fill_no_more_than_the_limits "
            "security/test_poisoning.py::test_ever_new_queries_make_no_new_metrics "
            "holdover/test_disk.py::test_the_size_is_bounded_and_the_latest_stay "
            "sidecar/test_schedule.py::test_there_is_room_for_so_many_keys_and_room_comes_back "
            "holdover/test_admission.py::test_what_is_remembered_is_bounded_and_the_rest_is_found_again "
            "holdover/test_books.py::test_tenants_are_bounded_and_come_back_from_the_ledger",
        ),
    ),
    "Answers of providers": (
        _item(
            13,
            "broken answers",
            "An answer that is not whole, or whose coding does not decode, is not stored; the good one stays.",
            "faults/test_fault_origin.py::test_nothing_wrong_is_stored faults/test_fault_origin.py::test_clients",
        ),
        _item(
            14,
            "no length",
            "An answer that ends with its connection is not stored.",
            "faults/test_fault_origin.py::test_nothing_wrong_is_stored",
        ),
        _item(
            15,
            "1xx",
            "It is not taken for the answer, neither for what is stored nor in what passes.",
            "holdover/test_fetch.py::test_an_early_hint_is_not_the_answer "
            "security/test_hops.py::test_an_interim_answer_is_not_the_answer "
            "security/test_hops.py::test_interim_answers_without_end_are_none "
            "faults/test_fault_origin.py::test_nothing_wrong_is_stored",
        ),
        _item(
            16,
            "parts",
            "206 and 416 are not stored as the whole.",
            "holdover/test_intake.py::test_what_is_not_stored "
            "security/test_poisoning.py::test_ranges_multiply_nothing_and_are_not_stored",
        ),
        _item(
            17,
            "errors in the place of odds",
            "An error, whatever its status, and what is not the promised JSON takes no good answer's place; a "
            "pause that is asked for is kept.",
            "faults/test_provider.py::test_a_200_that_is_no_json_never_takes_the_place_of_odds "
            "faults/test_provider.py::test_stale_within_the_limit_then_the_truth "
            "faults/test_provider.py::test_a_pause_that_the_provider_asks_for_is_kept "
            "holdover/test_intake.py::test_what_the_body_says_goes_before_the_status",
        ),
        _item(
            18,
            "errors that a client's fields provoke",
            "They do not reach the provider of a cached route but where they are in the key (S5); a head beyond the "
            "limits is refused to its sender.",
            "security/test_poisoning.py::test_a_field_that_is_not_in_the_key_goes_no_further "
            "security/test_poisoning.py::test_a_client_that_says_a_thousand_things_is_refused_and_the_rest_served",
        ),
        _item(
            19,
            "Accept-Encoding",
            "One entry for all of them; no value goes round the cache.",
            "security/test_poisoning.py::test_no_accept_encoding_goes_round_the_cache",
        ),
        _item(
            20,
            "split answers",
            "An answer with NUL or a bare CR in a field is not stored; in one that passes they become spaces, also "
            "in the words behind its status.",
            "security/test_hostile_answers.py::test_a_field_that_could_be_two_is_not_stored "
            "security/test_hostile_answers.py::test_what_is_the_same_to_every_reader_may_be "
            "security/test_hostile_answers.py::test_nor_does_it_become_two_on_its_way_to_the_one_who_asked "
            "security/test_hostile_answers.py::test_nor_does_the_line_of_its_status",
        ),
        _item(
            21,
            "absurd ages and dates",
            "Ages are bounded and never negative; a Date that is none counts as absent.",
            "holdover/test_intake.py::test_the_age_that_is_told "
            "holdover/test_intake.py::test_a_date_that_is_none "
            "holdover/test_intake.py::test_the_least_time_that_a_provider_wants",
        ),
        _item(
            22,
            "a second answer behind the body",
            "The connection is not used again.",
            "faults/test_fault_origin.py::test_nothing_wrong_is_stored "
            "faults/test_fault_origin.py::test_who_comes_new_gets_the_truth_at_once "
            "holdover/origin/test_framed.py::test_a_response_that_nobody_asked_for_ends_the_connection",
        ),
    ),
    "Requests": (
        _item(
            23,
            "malformed and ambiguous requests",
            "Exactly one request reaches the provider, or the client gets a 4xx; the lane and mitmproxy alike. Under "
            "`mitmdump -s` a start with `validate_inbound_headers=false` is refused; where it is set later, it is on "
            "again at once, and an error says where to take it out.",
            "e2e/test_lane_differential.py::test_the_same_bytes_are_answered_by_the_same_bytes "
            "e2e/test_script_mode.py::test_a_mitmdump_that_would_pass_malformed_requests_on_does_not_start "
            "addons/test_odds_cache.py::test_what_keeps_malformed_requests_out_stays_on "
            "security/test_corpus.py::test_what_comes_of_it "
            "security/test_corpus.py::test_what_comes_of_some_in_all_modes "
            "security/test_corpus.py::test_nothing_that_was_planted_is_in_the_cache "
            "security/test_corpus.py::test_nothing_depends_on_how_it_is_cut",
        ),
        _item(
            24,
            "fields that Connection names",
            "They end at holdover, as do all that are for the next hop alone, in what passes too, either way; but "
            "never those that frame or authorise a request. Of Upgrade all but h2c goes on.",
            "security/test_corpus.py::test_what_comes_of_it "
            "security/test_hops.py::test_to_the_provider "
            "security/test_hops.py::test_and_back "
            "security/test_hops.py::test_another_protocol_can_be_agreed_on "
            "holdover/test_passing.py::test_what_connection_names",
        ),
        _item(
            25,
            "HTTP/2 to HTTP/1.1",
            "HTTP/2 is off unless `[proxy] http2` asks for it. What has another meaning in HTTP/1.1 is refused, "
            "as is TRACE; beside it HTTP/1.1 over TLS is heard as strictly as without it.",
            "security/test_http2.py::test_fields security/test_http2.py::test_lines "
            "security/test_http2.py::test_trace_is_refused "
            "security/test_http2.py::test_http_1_beside_it_is_heard_as_strictly_as_ever",
        ),
    ),
    "Where one gets": (
        _item(
            26,
            "an open proxy",
            "In the providers' place only their hosts are answered. The explicit proxy is off unless configured, and "
            "connects to no private, loopback, link-local or metadata address, by the address that it then uses; no "
            "redirect is followed.",
            "security/test_reach.py::test_the_explicit_proxy_leads_to_nothing_but_public_addresses "
            "security/test_reach.py::test_none_means_providers_alone "
            "security/test_reach.py::test_inside_a_tunnel_to_a_provider_there_is_only_that_provider "
            "security/test_reach.py::test_tls_for_somebody_else_inside_a_tunnel_leads_nowhere_else "
            "security/test_reach.py::test_redirects_are_not_followed "
            "holdover/test_reach.py::test_what_is_not_of_the_internet_at_large "
            "addons/test_reach.py::test_a_foreign_name_is_led_to_the_address_that_was_looked_at",
        ),
        _item(
            27,
            "metrics, admin and console",
            "They are on loopback by default, and the clients' addresses lead to none of them, whatever `foreign` "
            "says; there is no `mitm.it`. Most of what the sidecar has it gives under its own names alone (DNS "
            "rebinding): the console, all writes, and of `/v1/promos` what is not for everybody, as what is to come "
            "(`at=`). Prometheus and homepages have names of their own for it: under any name it gives `/metrics`, "
            "`/metrics/proxy`, `/healthz`, and of `/v1/promos` what is shown now, its stream, images of that, "
            "schemas and the API's description. So do proxies with their metrics. These change nothing, tell of no "
            "credential, client or key, and let no page of another origin read them (no CORS); a page that rebinds "
            "its name learns providers, counts and quotas.",
            "security/test_reach.py::test_under_any_name_there_is_only_what_everybody_may_know "
            "security/test_reach.py::test_what_is_for_operators_is_not_reached_by_the_clients_doors "
            "security/test_reach.py::test_a_providers_path_is_the_providers "
            "security/test_reach.py::test_there_is_no_page_about_certificates "
            "addons/test_reach.py::test_holdover_itself_is_refused_even_where_any_host_is_allowed "
            "sidecar/console/test_pages.py::test_a_name_of_another_site_reaches_neither_pages_nor_writes "
            "sidecar/console/test_pages.py::test_which_names_are_ours "
            "sidecar/promos/test_access.py::test_a_name_that_only_leads_here_is_not_taken",
        ),
        _item(
            28,
            "writing promos",
            "Whoever writes is known, forms of other sites are refused, sizes are limited, files are judged, "
            "written whole and recorded.",
            "e2e/test_promos_writing.py::test_pages_of_other_sites_make_no_browser_write "
            "e2e/test_promos_writing.py::test_once_there_are_tokens_who_has_none_writes_nothing "
            "e2e/test_promos_writing.py::test_what_is_not_good_is_not_written_and_every_problem_is_told "
            "sidecar/console/test_login.py::test_a_write_needs_the_token_of_a_form_of_ours "
            "sidecar/console/test_edit.py::test_what_is_no_file_of_promos_is_not_shown",
        ),
    ),
    "Limits": (
        _item(
            29,
            "large bodies",
            "An answer beyond the limit is given up while it comes, one that passes is not kept, a request "
            "beyond it is refused. What is held of requests is limited in sum, HTTP/2 aside: the largest that is not "
            "whole gives way. What clients leave unfinished is freed. Of tunnels and upgraded connections nothing is "
            "kept. What is longer than any call that is cached is not read for its key.",
            "security/test_bodies.py::test_all_together_take_no_more_than_the_limit "
            "holdover/test_key.py::test_what_is_too_long_for_a_key_is_not_read_for_its_route "
            "security/test_bodies.py::test_what_clients_leave_unfinished_is_given_back "
            "security/test_hostile_answers.py::test_an_answer_beyond_the_limit_is_not_taken_in "
            "security/test_hostile_answers.py::test_an_answer_that_passes_is_not_kept_in_memory "
            "security/test_hostile_answers.py::test_a_head_without_end_is_given_up "
            "security/test_hostile_answers.py::test_a_request_beyond_the_limit_is_refused "
            "addons/test_handover.py::test_of_what_becomes_another_protocol_nothing_is_kept "
            "addons/test_handover.py::test_in_a_tunnel_to_nobodys_provider_nothing_is_read "
            "addons/test_handover.py::test_what_nobody_can_be_given_yet_is_limited_in_sum",
        ),
        _item(
            30,
            "decompression bombs",
            "What is inflated is limited, and inflated beside the event loop: once, however many wait for it.",
            "security/test_hostile_answers.py::test_hits_are_given_while_a_bomb_is_taken_apart "
            "holdover/test_fetch.py::test_a_gzip_bomb_is_not_inflated "
            "holdover/test_fetch.py::test_the_loop_goes_on_while_a_bomb_is_taken_apart "
            "holdover/test_standin.py::test_what_is_passed_on_is_inflated_beside_the_loop_and_once "
            "holdover/test_coding.py::test_the_limit_is_exact",
        ),
        _item(
            31,
            "slow clients",
            "Connections, those of an address, and the time of a head, between two pieces of a body (HTTP/2 aside) "
            "and of a read are limited; others are answered meanwhile. Who breaks off counts until nobody waits for "
            "his answer, and of a large answer no more is sealed than is taken. Who asks for a proxy's metrics has 5 "
            "s for it, and 75 s who asks the sidecar.",
            "security/test_reach.py::test_who_asks_the_sidecar_nothing_is_let_go "
            "security/test_reach.py::test_who_begins_to_ask_for_metrics_and_goes_no_further_is_let_go "
            "security/test_bodies.py::test_a_body_that_does_not_go_on_is_waited_for_no_longer "
            "addons/test_fast_lane.py::test_a_thousand_half_open_connections_hold_up_nobody "
            "sidecar/test_processes.py::test_there_is_room_for_as_many_connections_as_the_system_allows "
            "addons/test_fast_lane.py::test_no_more_connections_than_the_limit "
            "addons/test_fast_lane.py::test_no_more_connections_of_one_address_than_the_limit "
            "addons/test_connection.py::test_a_head_that_does_not_come_in_time_is_answered_408 "
            "addons/test_connection.py::test_a_slow_reader_holds_up_nobody_and_is_let_go "
            "addons/test_connection.py::test_of_a_large_answer_no_more_is_sealed_than_is_taken "
            "addons/test_fast_lane.py::test_who_breaks_off_counts_until_his_answer_is_there "
            "addons/test_fast_lane.py::test_what_is_asked_in_flows_by_who_breaks_off_is_waited_for_no_longer",
        ),
        _item(
            32,
            "ranges",
            "A request for hundreds of ranges gets the whole once.",
            "security/test_poisoning.py::test_ranges_multiply_nothing_and_are_not_stored",
        ),
        _item(
            33,
            "large heads",
            "They are answered 431; a server's that has no end is given up (502).",
            "addons/test_connection.py::test_a_head_that_is_too_long_is_answered_431 "
            "security/test_poisoning.py::test_a_client_that_says_a_thousand_things_is_refused_and_the_rest_served "
            "security/test_corpus.py::test_what_comes_of_it "
            "addons/test_handover.py::test_a_head_without_end_is_given_up",
        ),
        _item(
            34,
            "stampedes",
            "One call for all who wait, whether or not its answer can be written to the store; a leader that dies, "
            "fails or gets what must not be stored holds up nobody.",
            "e2e/test_answers.py::test_all_who_ask_at_once_cost_one_request "
            "faults/test_waiters.py::test_the_leader_is_killed "
            "faults/test_waiters.py::test_the_leader_times_out "
            "faults/test_waiters.py::test_what_comes_must_not_be_stored "
            "faults/test_origin_files.py::test_who_asks_the_same_waits_for_one_call",
        ),
        _item(
            35,
            "refreshes with a client's credential",
            "They end with the demand (`idle_after_s`), and with the first refusal; nothing is refreshed that "
            "nobody asks for. With freshness by the origin a refresh has no field that tells who asks.",
            "sidecar/test_schedule.py::test_nothing_is_due_without_demand "
            "sidecar/test_schedule.py::test_an_idle_key_is_forgotten_and_may_come_again "
            "holdover/test_fill.py::test_a_lent_credential_that_is_refused_is_not_used_again "
            "holdover/test_books.py::test_a_lent_credential_that_is_refused_is_lent_no_more "
            "faults/test_provider.py::test_refreshes_keep_to_demand_and_to_the_rate_limit "
            "e2e/test_origin_mode.py::test_what_is_fetched_behind_a_clients_back_is_without_what_tells_who_asks",
        ),
    ),
    "The store": (
        _item(
            36,
            "planted rows",
            "Nothing in the database is executed, followed or heeded; its folder is its owner's alone.",
            "holdover/test_disk_planted.py::test_a_planted_row_is_neither_executed_nor_followed "
            "holdover/test_disk_planted.py::test_a_planted_setting_is_not_heeded "
            "holdover/test_disk_planted.py::test_an_entry_under_another_key_is_not_served "
            "holdover/test_disk.py::test_only_the_owner_can_read_it "
            "holdover/test_disk.py::test_a_folder_that_others_may_read_is_closed_to_them "
            "holdover/test_disk.py::test_a_folder_of_another_user_is_refused",
        ),
        _item(
            37,
            "damage",
            "A damaged, full, locked or missing store is done without, and no wrong body is served.",
            "holdover/test_disk_damage.py::test_after_damage_both_processes_serve_on_from_one_cache "
            "faults/test_files.py::test_corrupted_cache_is_set_aside_while_serving_goes_on "
            "faults/test_files.py::test_a_full_disk_is_done_without "
            "faults/test_origin_files.py::test_each_gets_his_variant "
            "faults/test_origin_files.py::test_nobody_gets_what_is_anothers "
            "holdover/test_entry.py::test_a_changed_byte_reads_as_absent",
        ),
        _item(
            38,
            "credentials",
            "They are nowhere to be read: logs at debug level, metrics, Cache-Status, files, error pages, "
            "`explain`, the admin's pages, the command line.",
            "e2e/test_secrets.py::test_not_in_the_log "
            "e2e/test_secrets.py::test_not_in_the_metrics "
            "e2e/test_secrets.py::test_not_in_answers "
            "e2e/test_secrets.py::test_not_in_what_explain_prints "
            "e2e/test_secrets.py::test_not_in_any_file "
            "e2e/test_secrets.py::test_not_in_what_operators_are_shown "
            "e2e/test_secrets.py::test_not_on_any_command_line "
            "holdover/test_admission.py::test_no_credential_shows_or_is_written",
        ),
        _item(
            39,
            "another format",
            "An entry of another format, or with a wrong checksum, is absent.",
            "holdover/test_entry.py::test_anything_else_reads_as_absent "
            "holdover/test_entry.py::test_a_changed_byte_reads_as_absent "
            "holdover/test_entry.py::test_a_shorter_or_longer_text_reads_as_absent",
        ),
        _item(
            40,
            "clocks that step",
            "No entry becomes immortal: one from the future is not served, and anything takes its place.",
            "holdover/test_disk.py::test_an_entry_from_a_time_that_the_clock_left_gives_way "
            "holdover/test_fill.py::test_an_entry_from_the_future_is_not_taken_for_new "
            "holdover/test_lane.py::test_a_clock_that_stepped_back_ends_a_lease "
            "faults/test_clock.py::test_clock_steps",
        ),
    ),
}

ITEMS = tuple(item for items in SECTIONS.values() for item in items)

-- For wrk: posts the body in the file $BODY as $MEDIA, and prints the run's figures as a line of JSON.
local file = assert(io.open(os.getenv("BODY"), "rb"))
wrk.method = "POST"
wrk.body = file:read("*a")
wrk.headers["content-type"] = os.getenv("MEDIA")
file:close()

function done(summary, latency, requests)
  local bad = summary.errors
  print(string.format(
    '{"calls": %d, "micros": %d, "failed": %d, "p50": %f, "mean": %f}',
    summary.requests, summary.duration, bad.connect + bad.read + bad.write + bad.status + bad.timeout,
    latency:percentile(50), latency.mean
  ))
end

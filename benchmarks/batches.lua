-- Conversions API requests from prebuilt bodies: BENCH_BODIES is a folder with 0.json, 1.json, ...
local bodies = {}
local folder = os.getenv("BENCH_BODIES")
local path = "/v24.0/" .. os.getenv("BENCH_DATASET") .. "/events?access_token=" .. os.getenv("BENCH_TOKEN")
local at = 0
function init(args)
  local i = 0
  while true do
    local f = io.open(folder .. "/" .. i .. ".json", "rb")
    if not f then break end
    bodies[#bodies + 1] = wrk.format("POST", path, { ["Content-Type"] = "application/json", ["Host"] = "127.0.0.1" }, f:read("*a"))
    f:close()
    i = i + 1
  end
end
function request() at = at + 1; return bodies[at % #bodies + 1] end
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("\nRESULT %d %d %d %d\n", summary.requests, summary.duration, e.status, e.connect + e.read + e.write + e.timeout))
end

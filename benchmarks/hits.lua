-- Pixel hits in which everything varies that varies in life: 4,096 prebuilt visitors, a fresh event id a request. One hit
-- in four is of a landing page, with campaign and a click id that nobody had before; the others are of 5,000 product pages.
local n = 0
local dataset = os.getenv("BENCH_DATASET")
local now = os.time() * 1000
local P = {}
math.randomseed(7)
local function hex(k) local t = {} for i = 1, k do t[i] = string.format("%x", math.random(0, 15)) end return table.concat(t) end
for i = 1, 4096 do
  local fbp = "fb.1.17324" .. math.random(10000000, 99999999) .. "." .. math.random(100000000, 999999999)
  local a = "GET /tr/?id=" .. dataset .. "&ev=Purchase&dl=https%3A%2F%2Fbrewbeans.example%2Fp%2F" .. math.random(1, 5000)
  local landing = i % 4 == 0 and "%3Futm_source%3Dmeta%26utm_campaign%3Dspring%26fbclid%3DIwAR" .. hex(24) or ""
  local c = "&rl=https%3A%2F%2Fm.facebook.com%2F&if=false&ts="
    .. (now - math.random(0, 100000)) .. "&cd[value]=" .. math.random(1, 99999) / 100 .. "&cd[currency]=INR&cd[content_ids]=%5B%22sku"
    .. math.random(1, 9999) .. "%22%5D&sw=" .. math.random(360, 1920) .. "&sh=" .. math.random(600, 1080)
    .. "&v=2.9.170&r=stable&ec=" .. math.random(0, 9) .. "&o=4126&fbp=" .. fbp .. "&it=" .. (now - math.random(0, 100000))
    .. "&coo=false&eid=order-"
  local b = "&ud[em]=" .. hex(64) .. "&rqm=GET HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: Mozilla/5.0 (Linux; Android "
    .. math.random(9, 14) .. "; Pixel " .. math.random(1, 8) .. ") AppleWebKit/537.36 (KHTML, like Gecko) Chrome/"
    .. math.random(90, 131) .. ".0.0.0 Mobile Safari/537.36\r\nAccept: image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
    .. "\r\nAccept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-IN,en;q=0.9,hi;q=0.8\r\nReferer: https://brewbeans.example/"
    .. "\r\nCookie: _fbp=" .. fbp .. "; sid=" .. hex(32)
    .. "\r\nSec-Fetch-Dest: image\r\nSec-Fetch-Mode: no-cors\r\nSec-Fetch-Site: cross-site\r\n\r\n"
  P[i] = { a .. landing, c, b, i % 4 == 0 }
end
local run = os.getenv("BENCH_RUN") .. "-"
function request()
  n = n + 1
  local p = P[n % 4096 + 1]
  if p[4] then return p[1] .. run .. n .. p[2] .. run .. n .. p[3] end
  return p[1] .. p[2] .. run .. n .. p[3]
end
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("\nRESULT %d %d %d %d\n", summary.requests, summary.duration, e.status, e.connect + e.read + e.write + e.timeout))
end

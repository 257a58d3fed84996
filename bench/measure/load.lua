-- wrk's script for all loads. The token comes by the environment, so that no process list shows it.
local token = os.getenv("LOCO_BENCH_TOKEN")
local apps = tonumber(os.getenv("LOCO_BENCH_APPS") or "0")
if token then wrk.headers["Authorization"] = "Bearer " .. token end

local n = 0
if apps > 0 then -- durable writes: a variable of one app after the other is set
  wrk.method = "PATCH"
  wrk.headers["Content-Type"] = "application/json"
  local path
  init = function() path = wrk.path end
  request = function()
    n = n + 1
    return wrk.format(nil, path .. "/writes-" .. (n % apps) .. "/env", nil, '{"set":{"N":"' .. n .. '"},"stage":true}')
  end
end

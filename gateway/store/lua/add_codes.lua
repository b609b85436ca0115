-- Puts codes into a pool, each once in its life.
--
-- KEYS[1]  set    known: all codes ever put in
-- KEYS[2]  list   free: codes that nobody has
-- ARGV     codes
-- returns  how many were new
local new = {}
for _, code in ipairs(ARGV) do
  if redis.call('SADD', KEYS[1], code) == 1 then
    new[#new + 1] = code
  end
end
for start = 1, #new, 1000 do
  redis.call('RPUSH', KEYS[2], unpack(new, start, math.min(start + 999, #new)))
end
return #new

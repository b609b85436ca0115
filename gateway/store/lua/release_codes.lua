-- Takes all codes out of a partition's lease, to be taken back by lend_codes.lua. They stay in the lease, apart, until
-- they are known to have arrived.
--
-- KEYS[1]  string lease of a pool: see accept_codes.lua
-- ARGV     number of the return that has arrived, 0 if none is known to have; 1 to release what is held, 0 to look
-- returns  {number of the last batch, number of the last return, its codes (cmsgpack, "" none)}
local stored = redis.call('GET', KEYS[1])
local held = stored and cmsgpack.unpack(stored) or {0, 0, {}, {}}
local changed = false
if #held[4] > 0 and tonumber(ARGV[1]) == held[2] then
  held[4] = {}
  changed = true
end
if ARGV[2] == '1' and #held[4] == 0 and #held[3] > 0 then
  held[2], held[4], held[3] = held[2] + 1, held[3], {}
  changed = true
end
if changed then
  redis.call('SET', KEYS[1], cmsgpack.pack(held))
end
return {held[1], held[2], #held[4] > 0 and cmsgpack.pack(held[4]) or ''}

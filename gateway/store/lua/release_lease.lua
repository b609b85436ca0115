-- Takes all units out of a partition's lease, to be booked by grant.lua.
--
-- KEYS[1]  string lease: cmsgpack {units ever received, units ever returned, units held}
-- ARGV     none
-- returns  {units ever received, units ever returned}
local stored = redis.call('GET', KEYS[1])
local held = stored and cmsgpack.unpack(stored) or {0, 0, 0}
if held[3] > 0 then
  held[2] = held[2] + held[3]
  held[3] = 0
  redis.call('SET', KEYS[1], cmsgpack.pack(held), 'KEEPTTL')
end
return {held[1], held[2]}

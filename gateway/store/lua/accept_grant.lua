-- Puts granted units into a partition's lease; done twice, it is done once.
--
-- KEYS[1]  string lease: cmsgpack {units ever received, units ever returned, units held}
-- ARGV     units ever granted to this partition; lifetime in ms, longer than the budget's; 0 forever
-- returns  units held
local stored = redis.call('GET', KEYS[1])
local held = stored and cmsgpack.unpack(stored) or {0, 0, 0}
local granted = tonumber(ARGV[1])
if granted > held[1] then
  held[3] = held[3] + granted - held[1]
  held[1] = granted
  redis.call('SET', KEYS[1], cmsgpack.pack(held))
  if tonumber(ARGV[2]) > 0 then
    redis.call('PEXPIRE', KEYS[1], ARGV[2])
  end
end
return held[3]

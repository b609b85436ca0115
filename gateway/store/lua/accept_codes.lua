-- Puts a lent batch of codes into a partition's lease; done twice, it is done once.
--
-- KEYS[1]  string lease of a pool: cmsgpack {number of the last batch, number of the last return, codes,
--                 codes on their way back}
-- ARGV     number of the batch; its codes (cmsgpack)
-- returns  codes held
local stored = redis.call('GET', KEYS[1])
local held = stored and cmsgpack.unpack(stored) or {0, 0, {}, {}}
local batch = tonumber(ARGV[1])
if batch > held[1] then
  for _, code in ipairs(cmsgpack.unpack(ARGV[2])) do
    table.insert(held[3], code)
  end
  held[1] = batch
  redis.call('SET', KEYS[1], cmsgpack.pack(held))
end
return #held[3]

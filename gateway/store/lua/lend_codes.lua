-- Lends codes of a pool to a partition, a batch at a time, and takes back what partitions return.
--
-- KEYS[1]  list   free: codes that nobody has
-- KEYS[2]  hash   lent: per partition p "b:p" number of the last batch, "c:p" its codes (cmsgpack) until it has
--                 arrived, "r:p" number of the last return taken back
-- ARGV     codes the partition needs now; partition; number of the last batch it received;
--          number of its last return; the codes of that return (cmsgpack, "" none)
-- returns  {number of the partition's last batch, its codes (cmsgpack) or "" if it has arrived and no more are free}
--
-- Batches and returns are numbered, and each is kept where it came from until it is known to have arrived, so every
-- message may be lost, repeated or late, and a code is always in exactly one place.
local free, lent = KEYS[1], KEYS[2]
local want, partition, received, returned = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
if ARGV[5] ~= '' and returned > tonumber(redis.call('HGET', lent, 'r:' .. partition) or '0') then
  for _, code in ipairs(cmsgpack.unpack(ARGV[5])) do
    redis.call('RPUSH', free, code)
  end
  redis.call('HSET', lent, 'r:' .. partition, returned)
end
local batch = tonumber(redis.call('HGET', lent, 'b:' .. partition) or '0')
if batch > received then
  return {batch, redis.call('HGET', lent, 'c:' .. partition) or ''}
end
redis.call('HDEL', lent, 'c:' .. partition)
local codes = want > 0 and redis.call('LPOP', free, want)
if not codes then
  return {batch, ''}
end
local packed = cmsgpack.pack(codes)
redis.call('HSET', lent, 'b:' .. partition, batch + 1, 'c:' .. partition, packed)
return {batch + 1, packed}

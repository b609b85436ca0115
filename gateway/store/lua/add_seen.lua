-- Adds who was seen to sketches of one hash tag.
--
-- KEYS     string HyperLogLog of each place and day
-- ARGV     lifetime in s; for each key: how many users, then the users as keyed hashes
-- returns  nothing
local at = 2
for _, key in ipairs(KEYS) do
  local last = at + ARGV[at]
  redis.call('PFADD', key, unpack(ARGV, at + 1, last))
  redis.call('EXPIRE', key, ARGV[1])
  at = last + 1
end
return redis.status_reply('OK')

-- Adds to the counters of a hash.
--
-- KEYS[1]  hash   counters
-- ARGV     lifetime in s; then field and amount, in turn
-- returns  nothing
for at = 2, #ARGV, 2 do
  redis.call('HINCRBY', KEYS[1], ARGV[at], ARGV[at + 1])
end
redis.call('EXPIRE', KEYS[1], ARGV[1])
return redis.status_reply('OK')

-- Keeps decisions of users of one partition.
--
-- KEYS     list   traces of each user, newest first; a user may come several times, oldest decision first
-- ARGV     most kept per user; lifetime in ms; then one decision per key
-- returns  nothing
for number, key in ipairs(KEYS) do
  redis.call('LPUSH', key, ARGV[2 + number])
  redis.call('LTRIM', key, 0, ARGV[1] - 1)
  redis.call('PEXPIRE', key, ARGV[2])
end
return redis.status_reply('OK')

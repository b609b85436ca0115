-- Notes something to be decided about a user later; noted twice under one name, it is noted once.
--
-- KEYS[1]  hash   deferred of the user: name -> cmsgpack {due_ms, payload}
-- KEYS[2]  zset   users by when the first of their deferred is due
-- ARGV     user id; name; due_ms; payload; lifetime in ms
-- returns  nothing
redis.call('HSET', KEYS[1], ARGV[2], cmsgpack.pack({tonumber(ARGV[3]), ARGV[4]}))
redis.call('PEXPIRE', KEYS[1], ARGV[5])
redis.call('ZADD', KEYS[2], 'LT', ARGV[3], ARGV[1])
return redis.status_reply('OK')

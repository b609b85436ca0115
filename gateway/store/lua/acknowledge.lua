-- Ends outbox entries for good: no longer pending, no longer in the stream.
--
-- KEYS[1]  stream outbox of one partition
-- ARGV     consumer group; entry ids
-- returns  how many were still there
redis.call('XACK', KEYS[1], unpack(ARGV))
return redis.call('XDEL', KEYS[1], unpack(ARGV, 2))

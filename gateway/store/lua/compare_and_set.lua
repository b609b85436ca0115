-- Replaces a value only if nobody replaced it since it was read.
--
-- KEYS[1]  string value: 8 bytes version, then anything
-- ARGV     expected version ("" absent); new value ("" deletes)
-- returns  1, or 0 if the value had changed meanwhile
if redis.call('GETRANGE', KEYS[1], 0, 7) ~= ARGV[1] then
  return 0
end
if ARGV[2] == '' then
  redis.call('DEL', KEYS[1])
else
  redis.call('SET', KEYS[1], ARGV[2])
end
return 1

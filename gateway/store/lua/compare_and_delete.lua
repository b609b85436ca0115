-- Deletes a value if it is still the one expected.
--
-- KEYS[1]  string
-- ARGV     the value expected
-- returns  1, or 0 if it is another
if redis.call('GET', KEYS[1]) == ARGV[1] then
  return redis.call('DEL', KEYS[1])
end
return 0

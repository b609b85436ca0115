-- Ends a settled commit whose pointers have all moved: its version is the catalog's.
--
-- KEYS[1]  string plan: see plan_commit.lua
-- KEYS[2]  string catalog version, an integer
-- ARGV     version; channel of the news
-- returns  1, or 0 if the commit is over already
if redis.call('GET', KEYS[1]) ~= '=' .. ARGV[1] then
  return 0
end
redis.call('SET', KEYS[2], ARGV[1])
redis.call('DEL', KEYS[1])
redis.call('PUBLISH', ARGV[2], ARGV[1])
return 1

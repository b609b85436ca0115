-- Writes down a part of a large commit that is being prepared, and prolongs its author's lock.
--
-- KEYS[1]  string plan: see plan_commit.lua
-- KEYS[2]  string a part of the changes of the new version: cmsgpack list of {kind, id, old pointer, new pointer}
-- ARGV     token; how long the lock holds from now, ms; how long the part is kept unless it is carried out, ms; changes
-- returns  1, or 0 if the preparation took so long that another began
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('SET', KEYS[2], ARGV[4], 'PX', ARGV[3])
return 1

-- Settles that a large commit will happen: from here on anyone may carry it out, and nobody else may commit.
--
-- KEYS[1]  string plan: the token of who prepares one, or "=<version>" of one that is settled
-- KEYS[2]  string record of the new version: as in commit.lua, without changes, and with their count and their parts
-- KEYS[3]  hash   staged: uploads whose bodies are written and not committed
-- ARGV     token; new version; record (cmsgpack {at_ms, author, note, {}, count, parts}); upload
-- returns  1, or 0 if the preparation took so long that another began
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
redis.call('SET', KEYS[1], '=' .. ARGV[2])
redis.call('SET', KEYS[2], ARGV[3])
redis.call('HDEL', KEYS[3], ARGV[4])
return 1

-- Commits a few changes of the catalog as one new version: all of them, or none.
--
-- KEYS[1]  string catalog version, an integer
-- KEYS[2]  string changes of the new version, without its number: the key's prefix
-- KEYS[3]  string plan: there while a large commit is under way, see plan_commit.lua
-- KEYS[4]  hash   staged: uploads whose bodies are written and not committed
-- KEYS[5+] one hash per kind: document id -> "<document version> <body token>"
-- ARGV[1]  channel of the news
-- ARGV[2]  cmsgpack list of {kind (index into KEYS[5+], from 1), id, expected version or -1, body token or "" to delete};
--            expected 0: must not exist
-- ARGV[3]  at_ms; ARGV[4] author; ARGV[5] note, of the version; ARGV[6] upload
-- returns  {new version}; {-1, number of the offending change from 0, its present version or 0}; {-2} while a large
--          commit is under way
-- writes   changes:<version>: cmsgpack {at_ms, author, note, list of {kind, id, old pointer or "", new pointer or ""}}
-- The document version is the catalog version that wrote it, so it is never given twice, not even after a deletion.
if redis.call('EXISTS', KEYS[3]) == 1 then
  return {-2}
end
local wanted = cmsgpack.unpack(ARGV[2])
local old = {}
for number, change in ipairs(wanted) do
  local pointer = redis.call('HGET', KEYS[4 + change[1]], change[2]) or ''
  local version = tonumber(string.match(pointer, '^%d+') or '0')
  if (change[3] >= 0 and change[3] ~= version) or (change[4] == '' and version == 0) then
    return {-1, number - 1, version}
  end
  old[number] = pointer
end
local version = redis.call('INCR', KEYS[1])
local done = {}
for number, change in ipairs(wanted) do
  local key, pointer = KEYS[4 + change[1]], ''
  if change[4] == '' then
    redis.call('HDEL', key, change[2])
  else
    pointer = string.format('%d %s', version, change[4])
    redis.call('HSET', key, change[2], pointer)
  end
  done[number] = {change[1], change[2], old[number], pointer}
end
redis.call('SET', KEYS[2] .. version, cmsgpack.pack({tonumber(ARGV[3]), ARGV[4], ARGV[5], done}))
redis.call('HDEL', KEYS[4], ARGV[6])
redis.call('PUBLISH', ARGV[1], version)
return {version}

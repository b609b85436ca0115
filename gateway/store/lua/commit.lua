-- Commits changes of the catalog as one new version: all of them, or none.
--
-- KEYS[1]  string catalog version, an integer
-- KEYS[2]  string changes of the new version, without its number: the key's prefix
-- KEYS[3+] one hash per kind: document id -> "<document version> <body token>"
-- ARGV[1]  channel of the news
-- ARGV[2]  cmsgpack list of {kind (index into KEYS[3+], from 1), id, expected version or -1, body token or "" to delete};
--            expected 0: must not exist
-- returns  {new version} or {-1, number of the offending change from 0, its present version or 0}
-- writes   changes:<version>: cmsgpack list of {kind, id, old pointer or "", new pointer or ""}
-- The document version is the catalog version that wrote it, so it is never given twice, not even after a deletion.
-- Bodies are written before, under tokens of their own; a refused commit leaves them to the caller.
local wanted = cmsgpack.unpack(ARGV[2])
local old = {}
for number, change in ipairs(wanted) do
  local pointer = redis.call('HGET', KEYS[2 + change[1]], change[2]) or ''
  local version = tonumber(string.match(pointer, '^%d+') or '0')
  if (change[3] >= 0 and change[3] ~= version) or (change[4] == '' and version == 0) then
    return {-1, number - 1, version}
  end
  old[number] = pointer
end
local version = redis.call('INCR', KEYS[1])
local done = {}
for number, change in ipairs(wanted) do
  local key, pointer = KEYS[2 + change[1]], ''
  if change[4] == '' then
    redis.call('HDEL', key, change[2])
  else
    pointer = string.format('%d %s', version, change[4])
    redis.call('HSET', key, change[2], pointer)
  end
  done[number] = {change[1], change[2], old[number], pointer}
end
redis.call('SET', KEYS[2] .. version, cmsgpack.pack(done))
redis.call('PUBLISH', ARGV[1], version)
return {version}

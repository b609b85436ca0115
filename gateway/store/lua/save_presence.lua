-- Saves the presence of users of one partition or more, each only if nobody saved it since it was read.
-- (In a cluster one partition a call: all its keys share a hash tag.)
--
-- KEYS  for each partition:
--         hash   present: user id -> coarse cell (hex, "" unknown), of users who are in some geofence
--         zset   due: user id by the instant (ms) at which time alone changes the presence
--         string presence of each user: 8 bytes version, then the sealed value
-- ARGV  channel of the news; their origin; one cmsgpack list: for each partition how many users, and five per user in
--         the order of their keys: user id; lifetime in ms; due instant in ms (false none); false not present, else
--         the cell ("" keeps the one known); whether news of the user are expected; then one argument for each user:
--         8 bytes of the expected version (0 absent) and the new value ("" deletes)
-- returns  the ids of the users whose presence had changed meanwhile; nothing of theirs is written
-- publishes cmsgpack {origin, user id, cell or false, is expected, user id, ...}: who became present or moved (cell),
--         who left (false); of expected users in any case how they stand now
local ABSENT = string.rep('\0', 8)
local rows, field = cmsgpack.unpack(ARGV[3]), 1
local lost, news, place, at = {}, {ARGV[2]}, 1, 4
while place < #KEYS do
  local present, due, users = KEYS[place], KEYS[place + 1], rows[field]
  place, field = place + 2, field + 1
  for _ = 1, users do
    local key, user, due_ms, cell, is_expected = KEYS[place], rows[field], rows[field + 2], rows[field + 3], rows[field + 4]
    local known, is_news = redis.call('HGET', present, user), is_expected
    local version = redis.call('GETRANGE', key, 0, 7)
    if (version == '' and ABSENT or version) ~= string.sub(ARGV[at], 1, 8) then
      lost[#lost + 1] = user
    else
      if #ARGV[at] == 8 then
        redis.call('DEL', key)
      else
        redis.call('SET', key, string.sub(ARGV[at], 9), 'PX', string.format('%.0f', rows[field + 1]))
      end
      if due_ms then
        redis.call('ZADD', due, string.format('%.0f', due_ms), user)
      else
        redis.call('ZREM', due, user)
      end
      if not cell then
        if known then
          redis.call('HDEL', present, user)
          known, is_news = false, true
        end
      elseif not known or (cell ~= '' and cell ~= known) then
        redis.call('HSET', present, user, cell)
        known, is_news = cell, true
      end
    end
    if is_news then
      news[#news + 1] = user
      news[#news + 1] = known
      news[#news + 1] = is_expected
    end
    place, at, field = place + 1, at + 1, field + 5
  end
end
if #news > 1 then
  redis.call('PUBLISH', ARGV[1], cmsgpack.pack(news))
end
return lost

-- Saves the presence of users of one partition or more, each only if nobody saved it since it was read.
-- (In a cluster one partition a call: all its keys share a hash tag.)
--
-- KEYS  for each partition:
--         hash   present: user id -> coarse cell (hex, "" unknown), of users who are in some geofence
--         zset   due: user id by the instant (ms) at which time alone changes the presence
--         string presence of each user: 8 bytes version, then the sealed value
-- ARGV  channel of the news; their origin; for each partition: how many users, and seven per user in the order of
--         their keys: user id; expected version ("" absent); new value ("" deletes); lifetime in ms;
--         due instant in ms ("" none); "-" not present, else the cell ("" keeps the one known);
--         "1" if news of the user are expected, else ""
-- returns  the ids of the users whose presence had changed meanwhile; nothing of theirs is written
-- publishes cmsgpack {origin, user id, cell or false, is expected, user id, ...}: who became present or moved (cell),
--         who left (false); of expected users in any case how they stand now
local lost, news, place, at = {}, {ARGV[2]}, 1, 3
while place < #KEYS do
  local present, due = KEYS[place], KEYS[place + 1]
  local first, last = place + 2, place + 1 + ARGV[at]
  place, at = last + 1, at + 1
  for number = first, last do
    local key, user, value = KEYS[number], ARGV[at], ARGV[at + 2]
    local expires_in_ms, due_ms, cell = ARGV[at + 3], ARGV[at + 4], ARGV[at + 5]
    local known, is_news = redis.call('HGET', present, user), ARGV[at + 6] == '1'
    local is_expected = is_news
    if redis.call('GETRANGE', key, 0, 7) ~= ARGV[at + 1] then
      lost[#lost + 1] = user
    else
      if value == '' then
        redis.call('DEL', key)
      else
        redis.call('SET', key, value, 'PX', expires_in_ms)
      end
      if due_ms == '' then
        redis.call('ZREM', due, user)
      else
        redis.call('ZADD', due, due_ms, user)
      end
      if cell == '-' then
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
    at = at + 7
  end
end
if #news > 1 then
  redis.call('PUBLISH', ARGV[1], cmsgpack.pack(news))
end
return lost

-- Says that a consumer is still at work on entries, so that nobody takes them over.
--
-- KEYS[1]  stream outbox of one partition
-- ARGV     consumer group; consumer; entry ids
-- returns  how many were still his
local held = 0
for place = 3, #ARGV do
  local id = ARGV[place]
  if #redis.call('XPENDING', KEYS[1], ARGV[1], id, id, 1, ARGV[2]) > 0 then
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, id, 'JUSTID')
    held = held + 1
  end
end
return held

-- One user's login attempts on all hosts of a fleet: what lib/attempts does on one host, for
-- the store that the hosts share. A test compares the two on random histories.
--
-- KEYS[1] is the user's hash. Its fields:
--   m                what concerns the user as a whole, and the index of sources
--   n, o4, o6        the counts that sources share: see lib/attempts/ledger_sources.h
--   4ADDRESS         the count of an IPv4 address, in hexadecimal digits
--   6NETWORK         that of an IPv6 network: 16 digits are a /64, 14 a /56, 12 a /48, 8 a /32
--
-- ARGV: operation, origin (n, 4ADDRESS or 6NETWORK with 16 digits), max_attempts, window_ms,
-- lock_ms (-1: forever), by_source (0 or 1), and then for
--   admit    id, host, lease_ms, deadline_ms (0: none): may the password be checked?
--   renew    id, lease_ms: the check goes on
--   settle   id, host, outcome (0 failed, 1 succeeded, 2 withdrawn: its password was not
--            checked), since_ms (when it was admitted), at_ms (when it ended; in the future: now),
--            locked_ms (since when the user is locked, as the store has answered then, or 0)
--   merge    id, host, lease_ms, since_ms: the check goes on, and the store may have lost it; GIVEN_UP:
--            it has no lease, and gets none
--   forget   at_ms: an administrator has unlocked the user then (in the future: does so now)
--   look     nothing
--   announce host, policy: here KEYS[1] is no user's, but one for all hosts, whose field h
--            says when each of them was seen last, and what its policy is
--   mark     unlocked_ms, code, count, {part of the user's name in hexadecimal digits}...: of the
--            same key, a mark in its field u that a user was unlocked on all hosts
--   marks    nothing: the marks of the last day
--   trial    nothing: does the store accept all commands of this script? KEYS[1] has no other use
--   probe    nothing: the same key; is the store still one that accepts changes?
--   began    run: of the key for all hosts; the last number is since when the server of this run id
--            has kept what it is told
--
-- All but look, announce, mark and marks answer {status, failures, in flight, lock_left_ms (-1:
-- forever), now_ms, changes of the count, locked_ms: since when (0: is not, or the failure that is told
-- has nothing to do with it)}. An attempt keeps its id, whatever happens: asking twice takes one slot,
-- settling twice is one failure, and so is a lease that ended before that.
--
-- Time is the store's own, in milliseconds. Whatever is read may have been written by a host
-- that an attacker owns: damage of any kind locks the user, as if the limit had just been
-- reached. Nothing is written before the operation has succeeded.

local ADMITTED, BUSY, LOCKED, LATE, GIVEN_UP, UNKNOWN = 0, 1, 2, 3, 4, 5
local ATTEMPTS_MAX, SOURCES, STRANGERS_MAX, SUCCEEDED_MAX = 64, 128, 48, 32
local AGE_MAX_MS, STALLED_MS, SWEEP_INTERVAL_MS = 120000, 10000, 1000
local RECORD_BYTES_MAX, TIME_MAX, TEN_YEARS_MS = 65536, 9007199254740991, 315360000000
local HOSTS_MAX, HOST_KEPT_MS = 128, 2592000000
local MARKS_MAX, MARK_KEPT_MS, MARK_READ_MS = 64, 86400000, 120000
local VERSION, SHARED = 1, { 'n', 'o4', 'o6' }
-- How many digits name a network, and how many sources of it are counted on their own.
local NETWORKS = { { 14, 8 }, { 12, 16 }, { 8, 32 } }

local key = KEYS[1]

local function store_time_ms()
    local time = redis.call('TIME')
    return time[1] * 1000 + math.floor(time[2] / 1000)
end
local now = store_time_ms()

-- --- arguments ----------------------------------------------------------------------------

local next_argument = 1

local function text(pattern)
    local value = ARGV[next_argument]
    if not value or #value > 64 or not value:find(pattern) then
        error({ wrong = 'bad argument ' .. next_argument })
    end
    next_argument = next_argument + 1
    return value
end

local function integer(least, most)
    local value = tonumber(text('^%-?%d+$'))
    if value < least or value > most then
        error({ wrong = 'bad argument ' .. next_argument - 1 })
    end
    return value
end

local function is_origin(value)
    return value == 'n' or value:find('^4%x%x%x%x%x%x%x%x$') ~= nil or
        (#value == 17 and value:find('^6%x+$') ~= nil)
end

local function origin_argument()
    local value = text('^%w+$')
    if not is_origin(value) then error({ wrong = 'bad origin' }) end
    return value
end

-- --- what is stored -----------------------------------------------------------------------

local function damaged() error({ damaged = true }) end

local function is_integer(value, least, most)
    return type(value) == 'number' and value >= least and value <= most and
        math.floor(value) == value
end

local function check(condition) if not condition then damaged() end end

local function unpack_value(raw)
    check(#raw <= RECORD_BYTES_MAX)
    local ok, value = pcall(cmsgpack.unpack, raw)
    check(ok and type(value) == 'table' and value.v == VERSION)
    return value
end

-- The store's clock may have gone back, after a failover: nothing has happened in the future.
-- What is stored has to say so, too: else a lock would not begin, and a lease not end, before the
-- clock is where it was.
local is_ahead = false

local function past(value)
    is_ahead = is_ahead or value > now
    return math.min(value, now)
end

local function check_entry(entry)
    check(type(entry) == 'table' and type(entry.id) == 'string' and #entry.id <= 64)
    check(type(entry.host) == 'string' and #entry.host <= 64)
    check(type(entry.owner) == 'string' and #entry.owner <= 17)
    check(is_integer(entry.at, 0, TIME_MAX) and is_integer(entry.max, 1, ATTEMPTS_MAX))
    check(is_integer(entry.window, 1, TIME_MAX) and is_integer(entry.lock, -1, TIME_MAX))
    entry.at = past(entry.at)
end

local function check_entries(entries)
    check(type(entries) == 'table' and #entries <= ATTEMPTS_MAX)
    for _, entry in ipairs(entries) do check_entry(entry) end
end

-- failures and leases: {id, at (of a lease: its admission), owner, host, and the limits that
-- it was admitted under: max, window, lock}; leases also have expiry, and failures lapsed if
-- nobody has told of them: a lease has ended. locked: since when, or 0. told: a host has told of that
-- lock, and what caused it may not be here. cleared: what had failed by then is forgotten. changes:
-- counts them.
local function new_record()
    return { v = VERSION, failures = {}, leases = {}, locked = 0, told = false, cleared = 0,
             changes = 0 }
end

-- What has been read, and what is to be written: false means that the field goes.
local loaded, changed, changed_meta = {}, {}, nil

local function load_record(name)
    if loaded[name] then return loaded[name] end
    local raw = redis.call('HGET', key, name)
    local record = raw and unpack_value(raw) or new_record()
    is_ahead = false
    check_entries(record.failures)
    check_entries(record.leases)
    for _, lease in ipairs(record.leases) do
        check(is_integer(lease.expiry, 0, TIME_MAX))
        lease.expiry = math.min(lease.expiry, now + AGE_MAX_MS)
    end
    check(is_integer(record.locked, 0, TIME_MAX) and is_integer(record.cleared, 0, TIME_MAX))
    check(is_integer(record.changes, 0, TIME_MAX))
    record.locked, record.cleared = past(record.locked), past(record.cleared)
    loaded[name] = record
    if is_ahead then changed[name] = record end
    return record
end

local function is_source(name)
    return is_origin(name) or
        ((#name == 9 or #name == 13 or #name == 15) and name:find('^6%x+$') ~= nil)
end

-- penalty: locked after damage since then, or 0. cleared: when an administrator unlocked.
-- sources: name -> {how many it has taken the place of, the number of its last success}.
local function load_meta()
    local raw = redis.call('HGET', key, 'm')
    if not raw then
        return { v = VERSION, penalty = 0, cleared = 0, swept = 0, successes = 0, sources = {} }
    end
    local meta, count = unpack_value(raw), 0
    check(is_integer(meta.penalty, 0, TIME_MAX) and is_integer(meta.cleared, 0, TIME_MAX))
    check(is_integer(meta.swept, 0, TIME_MAX) and is_integer(meta.successes, 0, TIME_MAX))
    check(type(meta.sources) == 'table')
    for name, entry in pairs(meta.sources) do
        check(type(name) == 'string' and name ~= 'n' and is_source(name))
        check(type(entry) == 'table' and is_integer(entry[1], 1, TIME_MAX))
        check(is_integer(entry[2], 0, TIME_MAX))
        count = count + 1
    end
    check(count <= SOURCES)
    is_ahead = false
    meta.penalty, meta.cleared = past(meta.penalty), past(meta.cleared)
    meta.swept = past(meta.swept)
    if is_ahead then changed_meta = meta end
    return meta
end

local function change(name, record)
    loaded[name], changed[name] = record, record
    record.changes = record.changes + 1
end

local function store(meta, keep_ms)
    meta = meta or changed_meta
    for name, record in pairs(changed) do
        if record then
            redis.call('HSET', key, name, cmsgpack.pack(record))
        else
            redis.call('HDEL', key, name)
        end
    end
    if meta then redis.call('HSET', key, 'm', cmsgpack.pack(meta)) end
    if (meta or next(changed)) and redis.call('PTTL', key) < keep_ms then
        redis.call('PEXPIRE', key, keep_ms)
    end
end

-- --- one count: lib/attempts/count.c ------------------------------------------------------

local function longer(one, other)
    return (one < 0 or other < 0) and -1 or math.max(one, other)
end

-- The strictest of the limits of who asks and of those that the entries were admitted under:
-- it applies until they are gone.
local function strictest(record, limits)
    local found = { max = limits.max, window = limits.window, lock = limits.lock }
    for _, entries in ipairs({ record.failures, record.leases }) do
        for _, entry in ipairs(entries) do
            found.max = math.min(found.max, entry.max)
            found.window = math.max(found.window, entry.window)
            found.lock = longer(found.lock, entry.lock)
        end
    end
    return found
end

local function left_of_lock(since, lock)
    if since == 0 then return 0 end
    if lock < 0 then return -1 end
    return math.max(0, since + lock - now)
end

local function lock_left(record, limits)
    return left_of_lock(record.locked, strictest(record, limits).lock)
end

local function expire_lock(record, limits)
    if record.locked == 0 or lock_left(record, limits) ~= 0 then return false end
    record.failures, record.locked, record.told = {}, 0, false
    return true
end

-- A host tells of a lock that the store may have lost, with all that led to it.
local function restore_lock(record, since, limits)
    if since <= record.locked or left_of_lock(since, limits.lock) == 0 then return end
    record.locked, record.told = since, true
end

local function latest_failure(record)
    local latest = 0
    for _, failure in ipairs(record.failures) do latest = math.max(latest, failure.at) end
    return latest
end

-- Like the lock on one host it begins with the failure that reaches the limit.
local function lock_at_limit(record, limits)
    if record.locked ~= 0 or #record.failures < strictest(record, limits).max then return false end
    record.locked = math.max(1, latest_failure(record))
    expire_lock(record, limits)
    return true
end

-- Some of what has led to a lock does not count any more. Others may have told of that lock, and not
-- of all that led to it.
local function end_undeserved_lock(record, limits)
    if not record.told and #record.failures < strictest(record, limits).max then
        record.locked = 0
    end
end

local function drop_old(record, limits, at)
    local window, kept = strictest(record, limits).window, {}
    for _, failure in ipairs(record.failures) do
        if at - failure.at < window then kept[#kept + 1] = failure end
    end
    local dropped = #kept < #record.failures
    record.failures = kept
    return dropped
end

-- Where there is no room, the latest failures stay.
local function add_failure(record, entry)
    if #record.failures + #record.leases >= ATTEMPTS_MAX then
        local oldest = nil
        for i, failure in ipairs(record.failures) do
            if failure.at < entry.at and
                (not oldest or failure.at < record.failures[oldest].at) then
                oldest = i
            end
        end
        if not oldest then return end
        table.remove(record.failures, oldest)
    end
    record.failures[#record.failures + 1] = entry
end

local function failure_of(entry, at, owner, lapsed)
    return { id = entry.id, at = at, owner = owner, host = entry.host, max = entry.max,
             window = entry.window, lock = entry.lock, lapsed = lapsed }
end

-- Leases that nobody renews become failures of the time at which they were admitted.
local function fail_abandoned(record)
    local live, died = {}, {}
    for _, lease in ipairs(record.leases) do
        local alive = lease.expiry > now and now - lease.at < AGE_MAX_MS
        local list = alive and live or died
        list[#list + 1] = lease
    end
    record.leases = live
    for _, lease in ipairs(died) do
        add_failure(record, failure_of(lease, lease.at, lease.owner, true))
    end
    return #died > 0
end

-- Returns whether anything has changed.
local function bring_up_to_date(record, limits)
    local died = fail_abandoned(record)
    local did = expire_lock(record, limits) or died
    if record.locked ~= 0 then return did end
    if died then
        drop_old(record, limits, latest_failure(record))
        lock_at_limit(record, limits)
        if record.locked ~= 0 then return true end
    end
    did = drop_old(record, limits, now) or did
    return lock_at_limit(record, limits) or did
end

local function find(entries, id)
    for i, entry in ipairs(entries) do
        if entry.id == id then return i end
    end
    return nil
end

-- --- sources: lib/attempts/ledger_sources.c -----------------------------------------------

local function covers(network, name)
    return name:sub(1, #network) == network and (network == name or network:sub(1, 1) == '6')
end

local function shared_name(origin) return 'o' .. origin:sub(1, 1) end

-- The names of an origin's own count and of the networks that it is in, the smallest first.
local function names_of(origin)
    local names = { origin }
    if origin:sub(1, 1) == '6' then
        for _, network in ipairs(NETWORKS) do names[#names + 1] = origin:sub(1, network[1] + 1) end
    end
    return names
end

local function find_source(meta, origin)
    for _, name in ipairs(names_of(origin)) do
        if meta.sources[name] then return name end
    end
    return nil
end

local function is_stranger(name, entry, origin)
    return entry[2] == 0 and name:sub(1, 1) == origin:sub(1, 1)
end

local function count_sources(meta)
    local count = 0
    for _ in pairs(meta.sources) do count = count + 1 end
    return count
end

local function count_strangers(meta, origin)
    local count = 0
    for name, entry in pairs(meta.sources) do
        if is_stranger(name, entry, origin) then count = count + 1 end
    end
    return count
end

local function weight_in(meta, network)
    local weight = 0
    for name, entry in pairs(meta.sources) do
        if is_stranger(name, entry, network) and covers(network, name) then
            weight = weight + entry[1]
        end
    end
    return weight
end

local function choose_network(meta, origin)
    local full, chosen = count_strangers(meta, origin) >= STRANGERS_MAX, origin
    for _, network in ipairs(NETWORKS) do
        local name = origin:sub(1, network[1] + 1)
        local weight = weight_in(meta, name)
        if weight + 1 >= network[2] or (full and chosen == origin and weight > 0) then
            chosen = name
        end
    end
    return chosen
end

local function copy_of(record)
    local copy = new_record()
    for i, failure in ipairs(record.failures) do copy.failures[i] = failure end
    for i, lease in ipairs(record.leases) do copy.leases[i] = lease end
    copy.locked, copy.told = record.locked, record.told
    copy.cleared, copy.changes = record.cleared, record.changes
    return copy
end

-- A record as it is now, which only looks.
local function load_current(name, limits)
    local record = copy_of(load_record(name))
    bring_up_to_date(record, limits)
    return record
end

local function is_empty(record)
    return #record.failures == 0 and #record.leases == 0 and record.locked == 0
end

local function has_nothing(name, limits) return is_empty(load_current(name, limits)) end

-- Sets of names, so that a step that turns out to be impossible has changed nothing.
local function without_source(sources, name)
    local rest = {}
    for other, entry in pairs(sources) do
        if other ~= name then rest[other] = entry end
    end
    return rest
end

local function remove_source(meta, name)
    meta.sources = without_source(meta.sources, name)
    loaded[name], changed[name] = new_record(), false
end

-- Returns whether it has looked.
local function sweep(meta, limits)
    if now - meta.swept < SWEEP_INTERVAL_MS then return false end
    meta.swept = now
    for name, entry in pairs(meta.sources) do
        if entry[2] == 0 and has_nothing(name, limits) then remove_source(meta, name) end
    end
    return true
end

-- Who is counted on a record that was somebody else's is not told apart any more.
local function add_failures(record, failures)
    for _, failure in ipairs(failures) do
        add_failure(record, failure_of(failure, failure.at, '', failure.lapsed))
    end
end

local function take_from_shared(record, origin, limits)
    for _, name in ipairs({ shared_name(origin), 'n' }) do
        local own = {}
        for _, failure in ipairs(load_current(name, limits).failures) do
            if failure.owner == origin then own[#own + 1] = failure end
        end
        add_failures(record, own)
    end
end

-- Moves the strangers of a network that have no attempt in flight into one record. Returns
-- its name, or nil if there is no room for it.
local function merge_network(meta, network, limits)
    local sum, weight, moved, sources = new_record(), 1, {}, meta.sources
    for name, entry in pairs(meta.sources) do
        if is_stranger(name, entry, network) and covers(network, name) then
            local record = load_current(name, limits)
            if #record.leases == 0 then
                add_failures(sum, record.failures)
                sum.locked = math.max(sum.locked, record.locked)
                sum.told = sum.told or record.told
                weight = weight + entry[1]
                moved[#moved + 1] = name
                sources = without_source(sources, name)
            end
        end
    end
    local after = { sources = sources }
    if count_sources(after) >= SOURCES or count_strangers(after, network) >= STRANGERS_MAX then
        return nil
    end
    for _, name in ipairs(moved) do remove_source(meta, name) end
    meta.sources[network] = { weight, 0 }
    loaded[network] = sum
    return network
end

local function assign(meta, origin, limits)
    if origin:sub(1, 1) == '6' then
        local network = choose_network(meta, origin)
        if network ~= origin then return merge_network(meta, network, limits) end
    end
    if count_sources(meta) >= SOURCES or count_strangers(meta, origin) >= STRANGERS_MAX then
        return nil
    end
    meta.sources[origin] = { 1, 0 }
    loaded[origin] = new_record()
    return origin
end

local function counts_by_source(origin, limits) return limits.by_source and origin ~= 'n' end

-- Returns the name of the record that counts an origin, whether meta has changed, and whether
-- the record is a new one.
local function find_record(meta, origin, limits)
    if not counts_by_source(origin, limits) then return 'n', false, false end
    local name = find_source(meta, origin)
    if name then return name, false, false end
    local swept = sweep(meta, limits)
    name = assign(meta, origin, limits)
    if not name then return shared_name(origin), swept, false end
    take_from_shared(loaded[name], origin, limits)
    return name, true, true
end

local function make_room(meta, limits)
    local succeeded, oldest = 0, nil
    for _, entry in pairs(meta.sources) do
        if entry[2] ~= 0 then succeeded = succeeded + 1 end
    end
    if succeeded < SUCCEEDED_MAX then return true end
    for name, entry in pairs(meta.sources) do
        if entry[2] ~= 0 and (not oldest or entry[2] < meta.sources[oldest][2]) and
            has_nothing(name, limits) then
            oldest = name
        end
    end
    if not oldest then return false end
    remove_source(meta, oldest)
    return true
end

-- The origin has logged in: it gets a count that no stranger can take. Returns whether meta
-- has changed.
local function source_succeeded(meta, origin, limits)
    local own = meta.sources[origin]
    if own and own[2] == meta.successes and meta.successes ~= 0 then return false end
    if not own or own[2] == 0 then
        if not make_room(meta, limits) then return false end
        if not own and count_sources(meta) >= SOURCES then return false end
    end
    meta.successes = meta.successes + 1
    if own then
        own[2] = meta.successes
    else
        meta.sources[origin] = { 1, meta.successes }
        change(origin, new_record())
    end
    return true
end

-- --- operations ---------------------------------------------------------------------------

-- Where an attempt may be counted that was admitted some time ago, most likely ones first.
local function candidates(meta, origin, limits)
    if not counts_by_source(origin, limits) then return { 'n' } end
    local names = {}
    for _, name in ipairs(names_of(origin)) do
        if meta.sources[name] then names[#names + 1] = name end
    end
    names[#names + 1] = shared_name(origin)
    names[#names + 1] = 'n'
    return names
end

-- The record with this lease, or with the failure that became of it.
local function find_attempt(meta, origin, limits, id)
    for _, name in ipairs(candidates(meta, origin, limits)) do
        local record = load_record(name)
        if find(record.leases, id) or find(record.failures, id) then return name, record end
    end
    return nil, nil
end

-- The same, up to date. What has just become a failure may be too old to count, or belong to a lock
-- that is over: then it is not there, as if somebody had looked before.
local function find_current(meta, origin, limits, id)
    local name, record = find_attempt(meta, origin, limits, id)
    if not name or not bring_up_to_date(record, limits) then return name, record end
    change(name, record)
    return find_attempt(meta, origin, limits, id)
end

local function answer(status, record, limits)
    return { status, #record.failures, #record.leases, lock_left(record, limits), now,
             record.changes, record.locked }
end

local function keep_ms(record, limits)
    local found = strictest(record, limits)
    if found.lock < 0 then return TEN_YEARS_MS end
    return math.max(found.window, found.lock) + 2 * AGE_MAX_MS
end

local function finish(status, meta, record, limits)
    store(meta, keep_ms(record, limits))
    return answer(status, record, limits)
end

local function entry_of(id, at, origin, host, limits)
    return { id = id, at = at, owner = origin, host = host, max = limits.max,
             window = limits.window, lock = limits.lock }
end

-- Is the user locked because of damage?
local function penalty_left(meta, limits) return left_of_lock(meta.penalty, limits.lock) end

local function renew_lease(record, at, lease_ms)
    local lease = record.leases[at]
    lease.expiry = math.min(now + lease_ms, lease.at + AGE_MAX_MS)
end

-- Of no count.
local function answer_without(status, since) return { status, 0, 0, 0, now, 0, since or 0 } end

-- The attempt is known: it has a slot, or had one.
local function admit_again(meta, name, record, limits, id, lease_ms)
    local did = bring_up_to_date(record, limits)
    local at = find(record.leases, id)
    if at then renew_lease(record, at, lease_ms) end
    if at or did then change(name, record) end
    return finish(at and ADMITTED or GIVEN_UP, nil, record, limits)
end

local function admit(origin, limits)
    local id, host = text('^%x+$'), text('^[%w_.-]+$')
    local lease_ms, deadline = integer(1, AGE_MAX_MS), integer(0, TIME_MAX)
    if deadline > 0 and now > deadline then return answer_without(LATE) end
    local meta = load_meta()
    if meta.penalty ~= 0 then
        local left = penalty_left(meta, limits)
        if left ~= 0 then
            store(nil, keep_ms(new_record(), limits))
            return { LOCKED, limits.max, 0, left, now, 0, 0 }
        end
    end
    local known, record = find_attempt(meta, origin, limits, id)
    if known then return admit_again(meta, known, record, limits, id, lease_ms) end
    local cleared = meta.penalty ~= 0
    meta.penalty = 0
    local name, meta_changed, assigned = find_record(meta, origin, limits)
    record = load_record(name)
    local did = bring_up_to_date(record, limits) or assigned
    local max, status = strictest(record, limits).max, BUSY
    if record.locked ~= 0 then
        status = LOCKED
    elseif #record.failures + #record.leases < max then
        local lease = entry_of(id, now, origin, host, limits)
        lease.expiry = now + lease_ms
        record.leases[#record.leases + 1] = lease
        status, did = ADMITTED, true
    end
    if did then change(name, record) end
    return finish(status, (meta_changed or cleared) and meta or nil, record, limits)
end

local function renew(origin, limits)
    local id, lease_ms = text('^%x+$'), integer(1, AGE_MAX_MS)
    local name, record = find_attempt(load_meta(), origin, limits, id)
    if not name then return answer_without(UNKNOWN) end
    return admit_again(nil, name, record, limits, id, lease_ms)
end

-- A success makes good what has failed, but for what others, with whom the origin shares a
-- count, have failed. by_then: what failed later stays. A lock from before stays, too; one that began
-- later may be due to what the store has not known to be good.
local function clear_failures(record, name, origin, limits, by_then)
    local kept, shares = {}, counts_by_source(origin, limits) and name ~= origin
    if record.locked ~= 0 and record.locked <= by_then then return end
    for _, failure in ipairs(record.failures) do
        if failure.at > by_then or (shares and failure.owner ~= origin) then
            kept[#kept + 1] = failure
        end
    end
    record.failures = kept
    end_undeserved_lock(record, limits)
    if not shares then record.cleared = math.max(record.cleared, by_then) end
end

-- The failures that this attempt's lease has become. There are several where a source has got a
-- count of its own since.
local function lapsed_failures(meta, origin, limits, id)
    local found = {}
    for _, name in ipairs(candidates(meta, origin, limits)) do
        local record = load_record(name)
        local at = find(record.failures, id)
        if at and record.failures[at].lapsed then
            found[#found + 1] = { name = name, record = record, at = at }
        end
    end
    return found
end

-- It has failed indeed: nothing takes that back.
local function confirm(meta, origin, limits, id)
    for _, found in ipairs(lapsed_failures(meta, origin, limits, id)) do
        found.record.failures[found.at].lapsed = nil
        change(found.name, found.record)
    end
end

-- It has not, and so has locked nobody, unless others had done so before the store lost them.
-- Returns whether there was anything to take back.
local function take_back(meta, origin, limits, id)
    local all = lapsed_failures(meta, origin, limits, id)
    for _, found in ipairs(all) do
        table.remove(found.record.failures, found.at)
        end_undeserved_lock(found.record, limits)
        change(found.name, found.record)
    end
    return #all > 0
end

-- Was this attempt one that an administrator did not want to wait for?
local function was_stalled(meta, since) return meta.cleared - since >= STALLED_MS end

-- The store has no lease: what happened counts. What had failed or stalled when an administrator
-- unlocked is forgotten, as in forget(); and so is what has failed when the lock that it told of is over:
-- then a later lock is none of its host's business.
local function settle_unknown(meta, origin, limits, entry, end_of)
    local name, meta_changed, assigned = find_record(meta, origin, limits)
    local record = load_record(name)
    local did = bring_up_to_date(record, limits) or assigned
    local counts = entry.at > meta.cleared and not was_stalled(meta, end_of.since)
    local is_over = end_of.locked ~= 0 and left_of_lock(end_of.locked, limits.lock) == 0
    if counts and end_of.outcome == 0 and entry.at > record.cleared and not is_over then
        if end_of.locked > math.max(meta.cleared, record.cleared) then
            restore_lock(record, end_of.locked, limits)
        end
        add_failure(record, entry)
        bring_up_to_date(record, limits)
        did = true
    elseif counts and end_of.outcome == 1 then
        clear_failures(record, name, origin, limits, entry.at)
        did = true
    end
    if did then change(name, record) end
    local result = finish(UNKNOWN, meta_changed and meta or nil, record, limits)
    if not find(record.failures, entry.id) then result[7] = 0 end
    return result
end

local function settle(origin, limits)
    local id, host, outcome = text('^%x+$'), text('^[%w_.-]+$'), integer(0, 2)
    local since, at = past(integer(0, TIME_MAX)), past(integer(0, TIME_MAX))
    local locked = past(integer(0, TIME_MAX))
    local meta = load_meta()
    local name, record = find_current(meta, origin, limits, id)
    local lease = name and find(record.leases, id)
    if not name or (not lease and outcome ~= 0 and take_back(meta, origin, limits, id)) then
        return settle_unknown(meta, origin, limits, entry_of(id, at, origin, host, limits),
                              { since = since, outcome = outcome, locked = locked })
    end
    if not lease then
        confirm(meta, origin, limits, id)
        return finish(GIVEN_UP, nil, record, limits)
    end
    local entry = table.remove(record.leases, lease)
    if outcome == 0 and at >= record.cleared then
        record.failures[#record.failures + 1] = failure_of(entry, at, origin)
        if locked > record.cleared then restore_lock(record, locked, limits) end
        lock_at_limit(record, limits)
    elseif outcome == 1 then
        clear_failures(record, name, origin, limits, at)
    end
    change(name, record)
    local meta_changed = outcome == 1 and counts_by_source(origin, limits) and
        source_succeeded(meta, origin, limits)
    return finish(ADMITTED, meta_changed and meta or nil, record, limits)
end

local function merge(origin, limits)
    local id, host = text('^%x+$'), text('^[%w_.-]+$')
    local lease_ms, since = integer(1, AGE_MAX_MS), past(integer(0, TIME_MAX))
    local meta = load_meta()
    local known, record = find_current(meta, origin, limits, id)
    if known and not take_back(meta, origin, limits, id) then
        return admit_again(meta, known, record, limits, id, lease_ms)
    end
    local name, meta_changed = find_record(meta, origin, limits)
    record = load_record(name)
    if was_stalled(meta, since) then
        return finish(GIVEN_UP, meta_changed and meta or nil, record, limits)
    end
    if #record.failures + #record.leases < ATTEMPTS_MAX then
        record.leases[#record.leases + 1] = entry_of(id, since, origin, host, limits)
        renew_lease(record, #record.leases, lease_ms)
    end
    bring_up_to_date(record, limits)
    change(name, record)
    return finish(ADMITTED, meta_changed and meta or nil, record, limits)
end

local function all_names(meta)
    local names = {}
    for _, name in ipairs(SHARED) do names[#names + 1] = name end
    for name in pairs(meta.sources) do names[#names + 1] = name end
    return names
end

-- Attempts in flight go on, unless they had stalled by then: stopped processes must not prevent an
-- administrator from letting a user in. Returns how many do not count any more.
local function forget_by(record, at)
    local live, kept, before = {}, {}, #record.leases + #record.failures
    for _, lease in ipairs(record.leases) do
        if lease.expiry > now and at - lease.at < STALLED_MS then live[#live + 1] = lease end
    end
    for _, failure in ipairs(record.failures) do
        if failure.at > at then kept[#kept + 1] = failure end
    end
    record.leases, record.failures, record.cleared = live, kept, math.max(record.cleared, at)
    return before - #live - #kept
end

-- What has failed later may have locked the user again.
local function end_lock(record, at, limits)
    if record.locked > at then
        end_undeserved_lock(record, limits)
        return
    end
    record.locked, record.told = 0, false
    lock_at_limit(record, limits)
end

local function forget(_, limits)
    local at = past(integer(0, TIME_MAX))
    local meta, failures, locked = load_meta(), 0, 0
    if meta.penalty ~= 0 and meta.penalty <= at then meta.penalty, locked = 0, 1 end
    for _, name in ipairs(all_names(meta)) do
        local record = load_record(name)
        if record.locked ~= 0 and record.locked <= at then locked = 1 end
        failures = failures + forget_by(record, at)
        end_lock(record, at, limits)
        change(name, record)
        if is_empty(record) and record.cleared == at and not meta.sources[name] then
            changed[name] = false
        end
    end
    meta.cleared = math.max(meta.cleared, at)
    redis.call('DEL', key) -- with whatever else a hostile host may have put there
    store(meta, keep_ms(new_record(), limits)) -- for as long as hosts may tell of a lock
    return { ADMITTED, failures, locked, 0, now, 0, 0 }
end

-- {now_ms, penalty_left_ms, {name, failures, in flight, lock_left_ms, hosts that are
-- involved}...}
local function look(_, limits)
    local meta = load_meta()
    local out = { now, penalty_left(meta, limits) }
    for _, name in ipairs(all_names(meta)) do
        local record, hosts, seen = load_current(name, limits), {}, {}
        for _, entries in ipairs({ record.failures, record.leases }) do
            for _, entry in ipairs(entries) do
                if not seen[entry.host] then hosts[#hosts + 1] = entry.host end
                seen[entry.host] = true
            end
        end
        if #record.failures + #record.leases > 0 or record.locked ~= 0 then
            out[#out + 1] = { name, #record.failures, #record.leases, lock_left(record, limits),
                              hosts }
        end
    end
    return out
end

-- --- what all hosts have in common ---------------------------------------------------------
-- Two lists of entries by name, each with when it was told (at); the old ones go.

local HOSTS = { field = 'h', list = 'hosts', most = HOSTS_MAX, kept_ms = HOST_KEPT_MS,
                name_size = 64 }
function HOSTS.check(entry)
    check(type(entry.policy) == 'string' and #entry.policy <= 64)
end

-- name: the user's, in hexadecimal digits.
local MARKS = { field = 'u', list = 'marks', most = MARKS_MAX, kept_ms = MARK_KEPT_MS,
                name_size = 510 }
function MARKS.check(entry)
    check(is_integer(entry.unlocked, 1, TIME_MAX))
    check(type(entry.code) == 'string' and #entry.code <= 64)
end

-- The entries of a list but for this name's and, where there is no room for one more, the name of
-- the oldest.
local function load_others(kind, without)
    local raw, others, count, oldest = redis.call('HGET', key, kind.field), {}, 0, nil
    local known = raw and unpack_value(raw)[kind.list] or {}
    check(type(known) == 'table')
    for name, entry in pairs(known) do
        check(type(name) == 'string' and #name <= kind.name_size and type(entry) == 'table')
        check(is_integer(entry.at, 0, TIME_MAX))
        kind.check(entry)
        entry.at = past(entry.at)
        if name ~= without and now - entry.at < kind.kept_ms then
            others[name], count = entry, count + 1
            if not oldest or entry.at < others[oldest].at then oldest = name end
        end
    end
    check(count <= kind.most)
    return others, count == kind.most and oldest
end

local function store_entries(kind, entries)
    redis.call('HSET', key, kind.field, cmsgpack.pack({ v = VERSION, [kind.list] = entries }))
    redis.call('PEXPIRE', key, HOST_KEPT_MS)
end

-- {now_ms, {name, how long ago it was seen in ms, policy}...}
local function announce()
    local host, policy = text('^[%w_.-]+$'), text('^%x+$')
    local hosts, oldest = load_others(HOSTS, host)
    local out = { now }
    if oldest then hosts[oldest] = nil end
    hosts[host] = { at = now, policy = policy }
    store_entries(HOSTS, hosts)
    for name, entry in pairs(hosts) do out[#out + 1] = { name, now - entry.at, entry.policy } end
    return out
end

-- {now_ms, whether it is there}: a mark that the hosts may not have read yet gives way to no other.
local function mark()
    local unlocked, code, user = integer(1, TIME_MAX), text('^%x+$'), ''
    for _ = 1, integer(1, 8) do user = user .. text('^%x+$') end
    local kept, oldest = load_others(MARKS, user)
    if oldest and now - kept[oldest].at < MARK_READ_MS then return { now, 0 } end
    if oldest then kept[oldest] = nil end
    kept[user] = { at = now, unlocked = unlocked, code = code }
    store_entries(MARKS, kept)
    return { now, 1 }
end

-- {now_ms, {user in hexadecimal digits, unlocked_ms, code}...}
local function marks()
    local out = { now }
    for name, one in pairs(load_others(MARKS)) do
        out[#out + 1] = { name, one.unlocked, one.code }
    end
    return out
end

local function trial()
    redis.call('HSET', key, 'x', redis.call('HGET', key, 'x') or '')
    redis.call('PEXPIRE', key, math.max(1, redis.call('PTTL', key)))
    redis.call('HDEL', key, 'x')
    redis.call('DEL', key)
    return answer_without(UNKNOWN)
end

-- Every host asks it once a second, so it changes nothing: replicas and the disk have no work. A key
-- that is not there shows that its slot of a cluster is moving.
local function probe()
    redis.call('DEL', key)
    return answer_without(UNKNOWN)
end

-- Whoever has emptied the store has removed this, too; and a replica that takes over has another run
-- id.
local function began()
    local run, known = text('^%x+$'), redis.call('HGET', key, 'b') or ''
    local since, by = known:match('^(%d+) (%x+)$')
    since = tonumber(since)
    if by ~= run or not is_integer(since, 0, TIME_MAX) then
        since = now
        redis.call('HSET', key, 'b', string.format('%.0f %s', now, run))
        redis.call('PEXPIRE', key, HOST_KEPT_MS)
    end
    return answer_without(UNKNOWN, since)
end

local OPERATIONS = { admit = admit, renew = renew, settle = settle, merge = merge,
                     forget = forget, look = look, announce = announce, mark = mark,
                     marks = marks, trial = trial, probe = probe, began = began }

local function run()
    next_argument, loaded, changed, changed_meta = 1, {}, {}, nil
    local operation = OPERATIONS[text('^%l+$')]
    if not operation then error({ wrong = 'unknown operation' }) end
    local origin = origin_argument()
    local limits = { max = integer(1, ATTEMPTS_MAX), window = integer(1, TIME_MAX),
                     lock = integer(-1, TIME_MAX), by_source = integer(0, 1) == 1 }
    local kind = redis.call('TYPE', key).ok
    check(kind == 'hash' or kind == 'none')
    return operation(origin, limits)
end

local ok, result = pcall(run)
if not ok and type(result) == 'table' and result.damaged then
    redis.call('DEL', key)
    redis.call('HSET', key, 'm', cmsgpack.pack({ v = VERSION, penalty = now, cleared = 0,
                                                 swept = 0, successes = 0, sources = {} }))
    ok, result = pcall(run)
end
if ok then return result end
if type(result) == 'table' and result.wrong then
    return redis.error_reply('TMOUT ' .. result.wrong)
end
error(result)

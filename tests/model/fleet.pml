/*
 * Login attempts of one user on two hosts that share a store: leases, settlements, and what
 * each host's tmout-fleetd remembers, while the store loses its last writes, hosts are cut off
 * from it, and processes and daemons die. tests/soak/fleet_model.t searches all states.
 *
 * The promise:
 *
 *   1. No more than FLEET_ATTEMPTS wrong passwords reach the check, plus FALLBACK for each host
 *      that was cut off or whose daemon died, and never more than MAX_ATTEMPTS on one host: the
 *      assertions in check_password(). A right one starts over.
 *   2. A right password is rejected only for what has failed, has died, or was in flight on a
 *      host when that was cut off (reject(...)), and nobody waits for ever (await_the_end()).
 *
 * Each rule can be taken out by defining NO_...; then one of these no longer holds.
 *
 * Abstractions. A ledger's operations are one step each, as tests/model/attempts.pml shows; so is
 * one run of the script, and what a daemon tells when it reaches the store. Time is an event: a
 * lease may end as soon as nobody renews it, and `hold` lasts until all hosts that reach the
 * store have told what they know. What a daemon that died has known is lost: the store must not
 * lose its writes, too, and a host must not be cut off while a new store is held. Both exceed the
 * promise, and docs/FLEET.md says so.
 */
#ifndef FLEET_ATTEMPTS
#define FLEET_ATTEMPTS 1
#endif
#ifndef MAX_ATTEMPTS
#define MAX_ATTEMPTS 2
#endif
#ifndef FALLBACK
#define FALLBACK 1
#endif
#ifndef LOSSES
#define LOSSES 0 /* so often the store loses what it was told last */
#endif
#ifndef CUTS
#define CUTS 0 /* so often a host is cut off */
#endif
#ifndef SLOW
#define SLOW 0 /* may a daemon pass an answer on too late? */
#endif
#ifndef KILLS
#define KILLS 0 /* so many processes die */
#endif
#ifndef DAEMON_KILLS
#define DAEMON_KILLS 0
#endif

#define HOSTS    2
#define ATTEMPTS 4 /* the first two on host 0 */
#ifdef NO_ONE_ID
#define IDS   8 /* one admitted alone has another id */
#define ALONE ATTEMPTS
#else
#define IDS   ATTEMPTS
#define ALONE 0
#endif
#define HOST(id) (((id) % ATTEMPTS) / 2)

/* Of an id, in the store and in its replica. */
#define NOTHING 0
#define LEASED  1
#define FAILED  2
#define LAPSED  3 /* was leased: a failure until its host tells */

/* Of an id, in a daemon's memory: in flight, or how it has ended, and whether that was told. */
#define J_NOTHING   0
#define J_IN_FLIGHT 1
#define J_FAILED    2
#define J_TO_FAIL   3
#define J_TO_CLEAR  4
#define J_TO_GIVE   5 /* withdrawn */
#define J_CLEARED   6
#define J_GIVEN     7

byte store[IDS], replica[IDS];
/* Made good by a success: what had failed before it, whoever tells of it later. */
bool cleared[IDS], cleared_there[IDS];
byte journal[IDS];
bool clears[IDS]; /* what successes have made good, as their hosts remember */
bool connected[HOSTS]; /* the daemon has told this store all that it knows */
bool cut[HOSTS];
bool ever_cut[HOSTS]; /* or its daemon has died */
bool ever_dead;       /* a daemon */
byte kills = KILLS;   /* that processes may still die */
byte holding;         /* new store: so many hosts have not told theirs */

byte failures[HOSTS], in_flight[HOSTS]; /* the ledgers */

byte right_ones; /* the attempts with a right password: the first of each host */
bool done[ATTEMPTS];
bool asked[ATTEMPTS]; /* the daemon has a connection of this attempt */

/* What really happened, whatever store, daemons and ledgers say. */
byte guesses, successes, guesses_on[HOSTS];
/* Was wrong, or died: since the last success that the store, or the ledger, knew of. */
bool failed[ATTEMPTS], failed_here[ATTEMPTS];
bool out_of_reach[ATTEMPTS]; /* its lease has ended, and its host could not tell */

#define RIGHT(id)     ((id) % 2 == 0 && (id) / 2 < right_ones)
#define IS(id, what)  (store[id] == (what) -> 1 : 0)
#define SUM4(at, what) (IS(at, what) + IS(at + 1, what) + IS(at + 2, what) + IS(at + 3, what))
#ifdef NO_ONE_ID
#define SUM(what)     (SUM4(0, what) + SUM4(ATTEMPTS, what))
#else
#define SUM(what)     SUM4(0, what)
#endif
#define COUNTED       (SUM(FAILED) + SUM(LAPSED))
#define REAL(id)      ((failed[id] || (store[id] == LAPSED && out_of_reach[id])) -> 1 : 0)
#define REALLY_FAILED (REAL(0) + REAL(1) + REAL(2) + REAL(3))
#define REAL_HERE(id) (failed_here[id] -> 1 : 0)
#define REALLY_ON(h)  (REAL_HERE(2 * (h)) + REAL_HERE(2 * (h) + 1))
#define CUT_HOSTS     ((ever_cut[0] -> 1 : 0) + (ever_cut[1] -> 1 : 0))
#ifdef NO_LEASE
#define TAKEN COUNTED
#else
#define TAKEN (COUNTED + SUM(LEASED))
#endif
#ifdef NO_HOLD
#define HELD false
#else
#define HELD (holding > 0)
#endif
#define AWAY(h) (!connected[h])

/* --- the store --------------------------------------------------------------------------- */

/* A success makes good what has failed before, whether the store knows of that already or not: it
 * goes by the time at which an attempt ended. */
inline note_failures() {
    byte n;

    n = 0;
    clears[id] = true; /* a lease of its own, too, that the store has again */
    do
    :: n < IDS ->
        clears[n] = (clears[n] || store[n] == FAILED || store[n] == LAPSED ||
                     journal[n] == J_FAILED || journal[n] == J_TO_FAIL);
        n++
    :: else -> break
    od;
    n = 0
}

inline clear_again() {
    byte a;

    a = 0;
    do
    :: a < IDS ->
        if
        :: clears[a] ->
            cleared[a] = true;
            store[a] = (store[a] == LEASED -> LEASED : NOTHING);
            failed[a % ATTEMPTS] = false
        :: else
        fi;
        a++
    :: else -> break
    od;
    a = 0
}

/* The daemon tells how an id has ended. A lease that has become a failure was none, if so. */
inline tell(id) {
    if
    :: journal[id] == J_TO_FAIL ->
        store[id] = (cleared[id] -> NOTHING : FAILED); out_of_reach[id % ATTEMPTS] = false;
        journal[id] = J_FAILED
    :: journal[id] == J_TO_CLEAR ->
        if
        :: store[id] != FAILED ->
            give_back(id);
            clear_again()
        :: else
        fi;
        journal[id] = J_CLEARED
    :: journal[id] == J_TO_GIVE ->
        give_back(id);
        journal[id] = (LOSSES > 0 -> J_GIVEN : J_NOTHING)
    :: else
    fi
}

inline give_back(id) {
#ifdef NO_TAKING_BACK
    store[id] = (store[id] == LEASED -> NOTHING : store[id]);
#else
    store[id] = (store[id] == FAILED -> FAILED : NOTHING);
#endif
    out_of_reach[id % ATTEMPTS] = false
}

/* ... and again all that counts. */
inline tell_again(id) {
    if
#ifndef NO_MERGE
    :: journal[id] == J_IN_FLIGHT -> store[id] = (store[id] == FAILED -> FAILED : LEASED)
    :: journal[id] == J_FAILED -> store[id] = (cleared[id] -> NOTHING : FAILED)
#endif
#ifndef NO_CLEARED
    :: journal[id] == J_CLEARED -> give_back(id); clear_again()
#endif
#ifndef NO_GIVEN
    :: journal[id] == J_GIVEN -> give_back(id)
#endif
    :: else -> tell(id)
    fi
}

/* --- hosts --------------------------------------------------------------------------------- */

#define UNTOLD(id) (journal[id] == J_TO_FAIL || journal[id] == J_TO_CLEAR || journal[id] == J_TO_GIVE)

proctype daemon(byte h) {
    byte id;

    do
    :: atomic { !connected[h] && !cut[h] ->
        id = 0;
        do
        :: id < IDS ->
            if
            :: HOST(id) == h -> tell_again(id)
            :: else
            fi;
            id++
        :: else -> break
        od;
        id = 0;
        connected[h] = true;
        holding = (holding > 0 -> holding - 1 : 0) }
    :: atomic { connected[h] && UNTOLD(2 * h) -> tell(2 * h) }
    :: atomic { connected[h] && UNTOLD(2 * h + 1) -> tell(2 * h + 1) }
#ifdef NO_ONE_ID
    :: atomic { connected[h] && UNTOLD(2 * h + 4) -> tell(2 * h + 4) }
    :: atomic { connected[h] && UNTOLD(2 * h + 5) -> tell(2 * h + 5) }
#endif
    od
}

/* --- attempts ------------------------------------------------------------------------------ */

inline check_password(id) {
    if
    :: RIGHT(id)
    :: !RIGHT(id) ->
        guesses++;
        guesses_on[HOST(id)]++;
        failed[id] = true;
        failed_here[id] = true;
        assert(guesses <= (FLEET_ATTEMPTS + CUT_HOSTS * FALLBACK) * (1 + successes));
        assert(guesses_on[HOST(id)] <= MAX_ATTEMPTS * (1 + successes))
    fi
}

inline reject(id, reasons, limit) {
    assert(!RIGHT(id) || (reasons) >= limit)
}

inline settle_ledger(h, is_right) {
    in_flight[h]--;
    if
    :: is_right ->
        failures[h] = 0;
        failed_here[2 * h] = (failed_here[2 * h] && !done[2 * h]);
        failed_here[2 * h + 1] = (failed_here[2 * h + 1] && !done[2 * h + 1])
    :: else -> failures[h]++
    fi
}

inline withdraw(h) {
#ifdef NO_WITHDRAWAL
    settle_ledger(h, false)
#else
    in_flight[h]--
#endif
}

/* The daemon may have the attempt, and takes the end of the connection for the process's death. */
inline withdraw_from_fleet(id) {
    if
    :: asked[id] ->
        asked[id] = false;
#ifdef NO_PARTING
        journal[id] = J_TO_FAIL
#else
        journal[id] = J_TO_GIVE
#endif
    :: else
    fi
}

#define OR_DIE                                                                                     \
    :: atomic { kills > 0 -> kills--; goto killed }

proctype attempt(byte me) {
    byte h = HOST(me);
    byte id = me;
    bool in_ledger = false;

local_slot:
    id = me;
    if
#ifndef NO_LEDGER
    :: atomic { failures[h] >= MAX_ATTEMPTS -> reject(me, REALLY_ON(h), MAX_ATTEMPTS); goto end }
    :: atomic { failures[h] + in_flight[h] < MAX_ATTEMPTS ->
#else
    :: atomic { true ->
#endif
        in_flight[h]++;
        in_ledger = true }
    OR_DIE
    fi;
    if
    :: atomic { AWAY(h) -> goto alone }
    :: atomic { !AWAY(h) && !HELD && COUNTED >= FLEET_ATTEMPTS ->
        withdraw(h); in_ledger = false;
        reject(me, REALLY_FAILED, FLEET_ATTEMPTS);
        goto end }
    :: atomic { !AWAY(h) && !HELD && TAKEN < FLEET_ATTEMPTS ->
        store[id] = LEASED; asked[me] = true;
        if
        :: journal[id] = J_IN_FLIGHT
        :: SLOW > 0 -> /* the attempt does not wait for the answer any more */
            journal[id] = J_IN_FLIGHT; ever_cut[h] = true;
            goto alone
        :: CUTS > 0 -> /* the answer is lost with the connection */
            connected[h] = false; ever_cut[h] = true;
#ifndef NO_STORE_WITHDRAWAL
            journal[id] = J_TO_GIVE;
#endif
            asked[me] = false;
            goto alone
        fi }
#ifdef NO_WAITING
    :: atomic { !AWAY(h) && !HELD && TAKEN >= FLEET_ATTEMPTS ->
        withdraw(h); in_ledger = false;
        reject(me, REALLY_FAILED, FLEET_ATTEMPTS);
        goto end }
#endif
    OR_DIE
    fi;
    goto check;

alone:
    /* The ledger says how many: this one is among those in flight. */
    if
#ifdef NO_LEDGER_ALONE
    :: atomic { true ->
#else
    :: atomic { failures[h] + in_flight[h] <= FALLBACK ->
#endif
        id = me + ALONE }
#ifndef NO_LEDGER_ALONE
    :: atomic { failures[h] + in_flight[h] > FALLBACK && failures[h] < FALLBACK ->
        withdraw_from_fleet(me);
        withdraw(h); in_ledger = false };
        /* Until the other one has ended, or the store is reached. */
        if
        :: atomic { in_flight[h] == 0 || failures[h] >= FALLBACK || !AWAY(h) -> goto local_slot }
        OR_DIE
        fi
    :: atomic { failures[h] >= FALLBACK ->
        withdraw_from_fleet(me);
        withdraw(h); in_ledger = false;
        reject(me, REALLY_ON(h), FALLBACK);
        goto end }
#endif
    OR_DIE
    fi;

check:
    if
    :: atomic { true -> check_password(me) }
    OR_DIE
    fi;
    if
    :: atomic { true ->
        asked[me] = false;
        /* Told, and not waited for. */
        journal[id] = (RIGHT(me) -> J_TO_CLEAR : J_TO_FAIL);
        if
        :: RIGHT(me) -> successes++; note_failures()
        :: else
        fi }
    OR_DIE
    fi;
    if
    :: atomic { true ->
        settle_ledger(h, RIGHT(me));
        goto end }
    OR_DIE
    fi;

killed:
    atomic {
        failed[me] = true;
        failed_here[me] = true;
        if
        :: in_ledger -> settle_ledger(h, false)
        :: else
        fi;
#ifndef NO_END_OF_FILE
        if
        :: asked[me] -> journal[id] = J_TO_FAIL
        :: else
        fi;
#endif
        asked[me] = false
    }
end:
    atomic { done[me] = true; in_ledger = false; id = 0 }
}

/* --- the world ------------------------------------------------------------------------------- */

/* A lease that nobody renews ends, and has failed. */
inline end_lease(id) {
    if
    :: cleared[id] -> store[id] = NOTHING /* it was admitted before a success */
    :: else ->
#ifdef NO_ABANDONED
        store[id] = NOTHING;
#else
        store[id] = LAPSED;
#endif
        out_of_reach[id % ATTEMPTS] = (AWAY(HOST(id)) || ever_dead)
    fi
}

#ifdef NO_EXPIRY
#define NOT_RENEWED(id) false
#else
#define NOT_RENEWED(id)                                                                            \
    (store[id] == LEASED && (AWAY(HOST(id)) || (journal[id] != J_IN_FLIGHT && !UNTOLD(id))))
#endif

proctype world() {
    byte losses = LOSSES, cuts = CUTS, deaths = DAEMON_KILLS;
    byte i = 0;

    do
    :: atomic { losses > 0 -> /* the replica is told what the store knows */
        i = 0;
        do
        :: i < IDS -> replica[i] = store[i]; cleared_there[i] = cleared[i]; i++
        :: else -> break
        od;
        i = 0 }
    :: atomic { losses > 0 && !cut[0] && !cut[1] -> /* ... and takes its place */
        i = 0;
        do
        :: i < IDS -> store[i] = replica[i]; cleared[i] = cleared_there[i]; replica[i] = NOTHING; i++
        :: else -> break
        od;
        i = 0;
        connected[0] = false; connected[1] = false;
        ever_cut[0] = true; ever_cut[1] = true;
        holding = HOSTS;
        losses-- }
    :: atomic { cuts > 0 && !HELD -> cut[0] = true; connected[0] = false; ever_cut[0] = true; cuts-- }
    :: atomic { cuts > 0 && !HELD -> cut[1] = true; connected[1] = false; ever_cut[1] = true; cuts-- }
    :: atomic { cut[0] -> cut[0] = false }
    :: atomic { cut[1] -> cut[1] = false }
    :: atomic { deaths > 0 ->
        select(i : 0 .. HOSTS - 1);
        connected[i] = false; ever_cut[i] = true; ever_dead = true;
        journal[2 * i] = J_NOTHING; journal[2 * i + 1] = J_NOTHING;
#ifdef NO_ONE_ID
        journal[2 * i + 4] = J_NOTHING; journal[2 * i + 5] = J_NOTHING;
#endif
        asked[2 * i] = false; asked[2 * i + 1] = false;
        i = 0; deaths-- }
    :: atomic { NOT_RENEWED(0) -> end_lease(0) }
    :: atomic { NOT_RENEWED(1) -> end_lease(1) }
    :: atomic { NOT_RENEWED(2) -> end_lease(2) }
    :: atomic { NOT_RENEWED(3) -> end_lease(3) }
    od
}

/* Nobody waits for ever. */
proctype await_the_end() {
    timeout -> assert(done[0] && done[1] && done[2] && done[3])
}

init {
    atomic {
        byte i;

        connected[0] = true;
        connected[1] = true;
#ifdef RIGHT_ONES
        right_ones = RIGHT_ONES;
#else
        select(i : 0 .. HOSTS);
        right_ones = i;
#endif
        i = 0;
        run attempt(0);
        run attempt(1);
        run attempt(2);
        run attempt(3);
        run daemon(0);
        run daemon(1);
        run world();
        run await_the_end()
    }
}

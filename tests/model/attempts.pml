/*
 * Login attempts of one user, as lib/attempts admits and settles them: admission,
 * settlement, death, freezing, revocation, and replacement of the ledger. Checked
 * exhaustively by tests/soak/model.t, for PROCESSES and MAX_ATTEMPTS as below.
 *
 * The guarantee has two halves:
 *
 *   1. No more than MAX_ATTEMPTS wrong passwords reach the check, except that a
 *      right one starts over: the assertion in check_password().
 *   2. A right password is not rejected because other logins are in progress: it is
 *      rejected only if MAX_ATTEMPTS attempts have failed, died, or stopped for too
 *      long (the assertion in reject()), and nobody waits for ever (await_the_end()).
 *      Once it has been admitted, it is rejected only if it stopped for too long
 *      itself (the assertion after its settlement).
 *
 * The look without a lock with which an attempt begins (ledger_rejects()) lets nobody
 * in, and rejects only if the whole procedure would have done so at that moment, which
 * lies within the attempt: the assertions in check_password() and after the look.
 *
 * Each rule of the implementation can be taken out by defining NO_...; then one of
 * these no longer holds.
 *
 * Abstractions. A change of a record is one step: the two banks see to that. Time is
 * an event: whoever waits for a lock whose holder is frozen gives up at some point,
 * and an attempt of a frozen process may grow too old. Temporary files of killed
 * processes stay. A lock has no end, and nobody unlocks.
 */
#ifndef PROCESSES
#define PROCESSES 3
#endif
#define MAX_ATTEMPTS 2
#ifndef LEDGERS
#define LEDGERS 3 /* that may take the place of each other */
#endif
#ifndef FREEZES
#define FREEZES 1
#endif

#define NOBODY 255
#define NONE   255

/* The state of an entry of a ledger. */
#define EMPTY     0
#define IN_FLIGHT 1
#define FAILED    2

/* --- the files ------------------------------------------------------------------- */

typedef ledger_file {
    byte entry[MAX_ATTEMPTS];
    byte owner[MAX_ATTEMPTS]; /* the attempt in the entry: its generation */
    bool carried[MAX_ATTEMPTS];
    bool locked;    /* the user is */
    byte holder;    /* of the lock on the file */
    bool revoked;
    byte successor; /* the first one that was appended */
    bool renamed;   /* it has been put in place: its temporary name is gone */
    /* By a success: not in the file, but true of what is in it. */
    bool forgiven[PROCESSES], stop_forgiven[PROCESSES];
};

ledger_file ledger[LEDGERS];
byte in_place = 0;
byte created = 1;

/* --- the processes --------------------------------------------------------------- */

byte right_ones; /* so many have the right password: the first of them */
byte attempt_lock[PROCESSES]; /* the ledger in which its byte is locked */
bool frozen[PROCESSES];
bool dead[PROCESSES];
bool done[PROCESSES];

/* What really happened, whatever the ledger says. */
bool guessed[PROCESSES]; /* a wrong password has reached the check */
bool admitted[PROCESSES];
bool failed[PROCESSES];  /* its password was wrong, it died, or it stopped for too long */
bool stopped[PROCESSES]; /* it stopped for too long before it knew that it was admitted: it
                            tries again, and then counts as another attempt */

/* So many since the last success. */
#define COUNTS(what, p) (what[p] && !ledger[in_place].forgiven[p])
#define GUESSES         (COUNTS(guessed, 0) + COUNTS(guessed, 1) + COUNTS(guessed, 2))
#define STOPPED(p)      (stopped[p] && !ledger[in_place].stop_forgiven[p])
#define FAILURES                                                                                   \
    (COUNTS(failed, 0) + COUNTS(failed, 1) + COUNTS(failed, 2) + STOPPED(0) + STOPPED(1) + STOPPED(2))

/* Is the attempt in this entry given up? */
#ifdef NO_AGE
#define TOO_OLD(l, e) false
#else
#define TOO_OLD(l, e) (frozen[ledger[l].owner[e]] || (ledger[l].carried[e] && dead[ledger[l].owner[e]]))
#endif
#ifdef NO_CARRYING
#define LOOKS_ALIVE(l, e) (attempt_lock[ledger[l].owner[e]] == l)
#else
#define LOOKS_ALIVE(l, e) (ledger[l].carried[e] || attempt_lock[ledger[l].owner[e]] == l)
#endif
#define GIVEN_UP(l, e)                                                                             \
    (ledger[l].entry[e] == IN_FLIGHT && (!LOOKS_ALIVE(l, e) || TOO_OLD(l, e)))
#define HAS_ROOM(l) (ledger[l].entry[0] == EMPTY || ledger[l].entry[1] == EMPTY)
#define IS_SETTLED(l) (ledger[l].locked || HAS_ROOM(l) || GIVEN_UP(l, 0) || GIVEN_UP(l, 1))
#define IS_CURRENT(l) (in_place == l && !ledger[l].revoked)

/* ledger_lock() gives up on a frozen holder, and, while it waits, on a ledger that is
 * revoked: then the ledger is replaced, and the caller starts again. The lock of a
 * revoked ledger can still be taken. What was changed then does not count. */
#ifdef NO_REPLACEMENT
#define OR_REPLACE(again)
#else
#define OR_REPLACE(again)                                                                          \
    :: STEP && (ledger[l].holder != NOBODY && (frozen[ledger[l].holder] || ledger[l].revoked)) ->  \
        replace();                                                                                 \
        goto again
#endif
#ifdef NO_MUTUAL_EXCLUSION
#define LOCKABLE(l) true
#else
#define LOCKABLE(l) (ledger[l].holder == NOBODY)
#endif
#define ROOM_FOR_ME (!ledger[l].locked && HAS_ROOM(l))

/* Would an attempt that went through the whole procedure just now, while nothing else
 * happened, be rejected as locked? The ledger that it would use is the one in place, or
 * its copy, if that has been entered: what is written to the old one no longer counts. */
#define IN_FORCE                                                                                   \
    (ledger[in_place].revoked && ledger[in_place].successor != NONE ->                             \
         ledger[in_place].successor : in_place)
#define IS_FAILURE(l, e) (ledger[l].entry[e] == FAILED || GIVEN_UP(l, e))
#define LOCKS_OUT(l)     (ledger[l].locked || (IS_FAILURE(l, 0) && IS_FAILURE(l, 1)))
#ifdef NO_LOCK_TO_REJECT
#define SHOWS_LOCK(l) (!HAS_ROOM(l))
#else
#define SHOWS_LOCK(l)                                                                              \
    (ledger[l].locked && ledger[l].entry[0] != IN_FLIGHT && ledger[l].entry[1] != IN_FLIGHT)
#endif

/* A step of a process: a frozen one does none, and any may be the last. */
#define STEP (!frozen[me])
#define OR_DIE :: STEP -> goto killed

inline lock_at_limit(l) {
    if
    :: ledger[l].entry[0] == FAILED && ledger[l].entry[1] == FAILED -> ledger[l].locked = true
    :: else
    fi
}

inline give_up(l, e) {
    if
    :: !ledger[l].locked && GIVEN_UP(l, e) && ledger[l].owner[e] != me ->
#ifdef NO_DEATH
        ledger[l].entry[e] = EMPTY;
#else
        ledger[l].entry[e] = FAILED;
#endif
        ledger[l].carried[e] = false;
        /* An attempt that stopped for too long has failed, whatever comes of it. */
        if
        :: dead[ledger[l].owner[e]] || (frozen[ledger[l].owner[e]] && admitted[ledger[l].owner[e]]) ->
            failed[ledger[l].owner[e]] = true
        :: frozen[ledger[l].owner[e]] && !admitted[ledger[l].owner[e]] ->
            stopped[ledger[l].owner[e]] = true
        :: else
        fi
    :: else
    fi
}

/* count_bring_up_to_date() */
inline bring_up_to_date(l) {
    give_up(l, 0);
    give_up(l, 1);
    lock_at_limit(l)
}

#define RIGHT (me < right_ones)

/* --- replacement ------------------------------------------------------------------- */

inline copy_entry(from, to, e) {
    ledger[to].entry[e] = ledger[from].entry[e];
    ledger[to].owner[e] = ledger[from].owner[e];
    ledger[to].carried[e] = (ledger[from].entry[e] == IN_FLIGHT)
}

/* ledger_carry_over(), from the ledger l, which then is the one in place. */
inline replace() {
    if
    :: atomic { STEP && created < LEDGERS ->
        copy = created;
        created++;
#ifndef NO_REVOCATION
        ledger[l].revoked = true
#endif
        }
    :: atomic { STEP && created == LEDGERS && ledger[l].successor != NONE ->
#ifndef NO_REVOCATION
        ledger[l].revoked = true
#endif
        }
    :: atomic { STEP && created == LEDGERS && ledger[l].successor == NONE -> goto killed }
    fi;
    if
    :: atomic { STEP && ledger[l].successor == NONE ->
        /* The copy is made ... */
        copy_entry(l, copy, 0);
        copy_entry(l, copy, 1);
        ledger[copy].locked = ledger[l].locked;
        ledger[copy].forgiven[0] = ledger[l].forgiven[0];
        ledger[copy].forgiven[1] = ledger[l].forgiven[1];
        ledger[copy].forgiven[2] = ledger[l].forgiven[2];
        ledger[copy].stop_forgiven[0] = ledger[l].stop_forgiven[0];
        ledger[copy].stop_forgiven[1] = ledger[l].stop_forgiven[1];
        ledger[copy].stop_forgiven[2] = ledger[l].stop_forgiven[2] };
        /* ... and appended: of several, the first one counts. */
        if
        :: atomic { STEP ->
#ifdef NO_SUCCESSION
            ledger[l].successor = copy
#else
            if
            :: ledger[l].successor == NONE -> ledger[l].successor = copy
            :: else
            fi
#endif
        }
        OR_DIE
        fi
    :: STEP && ledger[l].successor != NONE
    OR_DIE
    fi;
    if
    :: atomic { STEP ->
        /* The name can be renamed once. */
        if
        :: !ledger[ledger[l].successor].renamed ->
            ledger[ledger[l].successor].renamed = true;
            in_place = ledger[l].successor
        :: else
        fi;
        l = in_place; attempt_lock[me] = NOBODY; copy = NONE }
    OR_DIE
    fi
}

inline release() {
    if
    :: ledger[l].holder == me -> ledger[l].holder = NOBODY
    :: else
    fi
}

/* What was changed counts only if the ledger is current afterwards. */
inline verify_or_replace(again) {
    if
#ifdef NO_VERIFICATION
    :: atomic { STEP -> admitted[me] = (slot != NONE); asked = true; release() }
#else
    :: atomic { STEP && IS_CURRENT(l) -> admitted[me] = (slot != NONE); asked = true; release() }
    :: atomic { STEP && !IS_CURRENT(l) -> release() };
        if
        :: atomic { STEP && in_place != l -> l = in_place; attempt_lock[me] = NOBODY }
        :: STEP && in_place == l -> replace()
        fi;
        goto again
#endif
    OR_DIE
    fi
}

/* --- attempts ---------------------------------------------------------------------- */

inline check_password() {
    assert(asked);
    if
    :: atomic { STEP && !RIGHT -> guessed[me] = true; failed[me] = true; assert(GUESSES <= MAX_ATTEMPTS) }
    :: STEP && RIGHT
    OR_DIE
    fi
}

/* Right passwords are rejected for what has failed, and for nothing else. */
inline reject() {
    release();
    assert(!RIGHT || FAILURES >= MAX_ATTEMPTS)
}

inline forgive(p) {
    /* Those in flight may still turn out to be wrong, and keep their entries. */
    if
    :: (ledger[l].owner[0] == p && ledger[l].entry[0] == IN_FLIGHT) ||
        (ledger[l].owner[1] == p && ledger[l].entry[1] == IN_FLIGHT)
    :: else ->
        ledger[l].forgiven[p] = (ledger[l].forgiven[p] || guessed[p] || failed[p]);
        ledger[l].stop_forgiven[p] = (ledger[l].stop_forgiven[p] || stopped[p])
    fi
}

/* count_settle(), for the entry e */
inline settle_entry(e) {
    if
    :: RIGHT && !ledger[l].locked ->
        ledger[l].entry[e] = EMPTY;
        if
        :: ledger[l].entry[1 - e] == FAILED -> ledger[l].entry[1 - e] = EMPTY
        :: else
        fi;
        forgive(0);
        forgive(1);
        forgive(2)
    :: RIGHT && ledger[l].locked -> ledger[l].entry[e] = EMPTY
    :: else ->
        ledger[l].entry[e] = FAILED;
        lock_at_limit(l)
    fi;
    ledger[l].carried[e] = false
}

/* Did a copy bring its entry with it, after it had been written too late to count? */
#define IS_MINE(e) (ledger[l].entry[e] == IN_FLIGHT && ledger[l].owner[e] == me)

/* After a settlement that was copied, the attempt is no longer in flight, and not a
 * failure unless that was its outcome. */
#define WAS_GIVEN_UP(e) (ledger[l].entry[e] == FAILED && ledger[l].owner[e] == me)

proctype attempt(byte me) {
    byte l = 0;
    byte copy = NONE;
    byte slot = NONE;
    bool settled = false; /* in the ledger: else it had been given up */
    bool copied = false;  /* this is not the first ledger in which it is settled */
    bool asked = false;   /* it has gone through the whole procedure */
    bool sure = false;    /* that would have rejected it when it looked */

    /* ledger_open_existing() and ledger_rejects(), which may stop anywhere between these
     * steps: to open the ledger, to read it, and to look whether it has been revoked. */
    atomic { STEP -> l = in_place };
    if
    :: atomic { STEP && SHOWS_LOCK(l) -> sure = LOCKS_OUT(IN_FORCE) }
    :: STEP && !SHOWS_LOCK(l) ->
#ifdef NO_ADMISSION
        check_password();
        goto end
#else
        goto admit
#endif
    fi;
    if
#ifdef NO_LOOK_AFTERWARDS
    :: atomic { STEP -> assert(sure); sure = false; reject(); goto end }
#else
    :: atomic { STEP && !ledger[l].revoked -> assert(sure); sure = false; reject(); goto end }
    :: atomic { STEP && ledger[l].revoked -> sure = false; goto admit }
#endif
    fi;

admit:
    slot = NONE;
    if
    :: atomic { STEP && LOCKABLE(l) ->
        bring_up_to_date(l);
        if
        :: IS_MINE(0) -> slot = 0
        :: !IS_MINE(0) && IS_MINE(1) -> slot = 1
        :: else
        fi;
        if
        :: slot != NONE || ROOM_FOR_ME ->
            ledger[l].holder = me;
#ifndef NO_LOCK_BEFORE_STORE
            /* The attempt's own lock comes first: without it, it would look dead. */
            attempt_lock[me] = l
#endif
        :: slot == NONE && ledger[l].locked && IS_CURRENT(l) -> reject(); goto end
        :: slot == NONE && ledger[l].locked && !IS_CURRENT(l) -> l = in_place; goto admit
        :: else -> goto busy
        fi }
    OR_REPLACE(admit)
    fi;
    if
#ifndef NO_SLOT_BEFORE_CHECK
    :: atomic { STEP && slot == NONE ->
        slot = (ledger[l].entry[0] == EMPTY -> 0 : 1);
        ledger[l].entry[slot] = IN_FLIGHT;
        ledger[l].owner[slot] = me;
        ledger[l].carried[slot] = false }
    :: atomic { STEP && slot != NONE -> ledger[l].carried[slot] = false }
#else
    :: STEP
#endif
    OR_DIE
    fi;
    verify_or_replace(admit);
#ifdef NO_LOCK_BEFORE_STORE
    atomic { STEP -> attempt_lock[me] = l };
#endif
    check_password();
    goto settle;

busy:
#ifdef NO_WAITING
    atomic { reject(); goto end };
#endif
    /* Until one of them settles, dies, or the ledger is replaced. */
    atomic { STEP && (IS_SETTLED(l) || !IS_CURRENT(l)) -> l = in_place; goto admit };

settle:
    if
    :: atomic { STEP && LOCKABLE(l) -> ledger[l].holder = me }
    OR_REPLACE(settle)
    OR_DIE
    fi;
    if
    :: atomic { STEP ->
        bring_up_to_date(l);
        settled = true;
        if
        :: IS_MINE(0) -> settle_entry(0)
        :: else ->
            if
            :: IS_MINE(1) -> settle_entry(1)
            :: else ->
                settled = (copied && !WAS_GIVEN_UP(0) && !WAS_GIVEN_UP(1))
#ifdef NO_SLOT_BEFORE_CHECK
                ;
                settled = true;
                if
                :: !RIGHT && !ledger[l].locked ->
                    slot = (ledger[l].entry[0] == EMPTY -> 0 : 1);
                    ledger[l].entry[slot] = FAILED;
                    lock_at_limit(l)
                :: else
                fi
#endif
            fi
        fi;
#ifndef NO_COPIED_SETTLEMENT
        copied = true
#endif
        }
    OR_DIE
    fi;
    verify_or_replace(settle);
    /* A right password that was checked is rejected only if it stopped for too long. */
    assert(!RIGHT || settled || failed[me]);
    goto end;

killed:
    atomic {
        dead[me] = true;
        /* An attempt that was admitted and not settled has failed. */
        failed[me] = (failed[me] || slot != NONE);
        attempt_lock[me] = NOBODY;
        release()
    }
end:
    atomic {
        attempt_lock[me] = NOBODY;
        release();
        done[me] = true;
        /* Equal states are one. */
        l = 0;
        copy = NONE;
        slot = NONE;
        settled = false;
        copied = false;
        asked = false
    }
}

#define HOLDS(p)                                                                                   \
    (attempt_lock[p] != NOBODY || ledger[0].holder == p || ledger[1].holder == p ||                \
     ledger[LEDGERS - 1].holder == p)

/* --- the world ----------------------------------------------------------------------- */

/* Freezes processes that others may wait for, and thaws them, or not. */
proctype freezer() {
    byte left = FREEZES;
    byte p;

    do
    :: atomic {
        left > 0 -> select(p : 0 .. PROCESSES - 1);
        frozen[p] = HOLDS(p);
        left--;
        p = 0 }
    :: atomic { frozen[0] -> frozen[0] = false }
    :: atomic { frozen[1] -> frozen[1] = false }
    :: atomic { frozen[2] -> frozen[2] = false }
    :: break
    od
}

/* Nobody waits for ever, unless they are frozen themselves. */
proctype await_the_end() {
    timeout -> assert((done[0] || frozen[0]) && (done[1] || frozen[1]) && (done[2] || frozen[2]))
}

init {
    atomic {
        byte i = 0;
        do
        :: i < LEDGERS -> ledger[i].holder = NOBODY; ledger[i].successor = NONE; i++
        :: i >= LEDGERS -> break
        od;
        ledger[0].renamed = true;
        attempt_lock[0] = NOBODY;
        attempt_lock[1] = NOBODY;
        attempt_lock[2] = NOBODY;
#ifdef RIGHT_ONES
        right_ones = RIGHT_ONES;
#else
        select(i : 0 .. PROCESSES);
        right_ones = i;
#endif
        run attempt(0);
        run attempt(1);
        run attempt(2);
        run freezer();
        run await_the_end()
    }
}

/* How long an attempt waits for others, here and at the fleet. */
#ifndef TMOUT_PAM_MODULE_ADMISSION_LIMITS_H
#define TMOUT_PAM_MODULE_ADMISSION_LIMITS_H

enum {
    /* Waiting goes on while other attempts settle: a correct password must not
     * be rejected because many users log in at once. Both limits are below the
     * LoginGraceTime of a minute that baselines ask for. */
    STALLED_MAX_MS = 10 * 1000,
    WAIT_MAX_MS = 55 * 1000
};

#endif

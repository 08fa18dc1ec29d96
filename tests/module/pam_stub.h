/* A PAM module that returns what its line says, and notes that it was called.
 * The application's conversation has a struct stub_calls as its data. */
#ifndef TMOUT_TESTS_MODULE_PAM_STUB_H
#define TMOUT_TESTS_MODULE_PAM_STUB_H

enum { STUB_CALLS_MAX = 256 };

/* The values of id= of the lines, in the order in which they were called. */
struct stub_calls {
    int count;
    int id[STUB_CALLS_MAX];
};

#endif

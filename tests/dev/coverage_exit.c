/*
 * Linked into what `make coverage` builds: a child that ends by _exit() keeps
 * what it has executed, too. With -Wl,--wrap=_exit.
 */
#include <unistd.h>

extern void __gcov_dump(void);
extern _Noreturn void __real__exit(int status);
_Noreturn void __wrap__exit(int status);

_Noreturn void __wrap__exit(int status)
{
    __gcov_dump();
    __real__exit(status);
}

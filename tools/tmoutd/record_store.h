/*
 * The records of logins as tmoutd keeps them: saves those that could not be saved
 * when they should have been, as soon as there is room, and keeps spare files for
 * those that the module writes (registry_spare.h). Does nothing while there is
 * room and nothing to save.
 */
#ifndef TMOUT_TMOUTD_RECORD_STORE_H
#define TMOUT_TMOUTD_RECORD_STORE_H

#include "lib/sessions/registry.h"
#include "tools/tmoutd/loop.h"

struct record_store;

/* sessions_dir must outlive it. NULL without memory. */
struct record_store *record_store_new(struct loop *loop, const char *sessions_dir);
void record_store_free(struct record_store *store);

/* Writes the record of a login that is watched, now or later. One that a newer
 * version has written stays, and so does the module's if this one is of a login that was found
 * without: the module knows more. */
void record_store_save(struct record_store *store, const struct session_record *record);

/* The same for a login that nobody has registered. If it has a record by now, that
 * stays, and *record becomes it: then false. */
bool record_store_add(struct record_store *store, struct session_record *record);

/* For messages. */
const char *record_store_directory(const struct record_store *store);

/* The login has ended: removes its record. */
void record_store_remove(struct record_store *store, pid_t pid);

/* A spare file has been used. */
void record_store_refill(struct record_store *store);

/* Is its record in memory, because it could not be saved yet? */
bool record_store_keeps(const struct record_store *store, pid_t pid);

#endif

/*
 * The files that tmout-fleet.conf names: the password and, for TLS, the CA, certificate and
 * key. All of them are in one directory of root's, tmout-fleet beside tmout-fleet.conf, and are
 * named without it. tmout-fleetd is not root and could not read them there: systemd hands it
 * copies of that whole directory, as credentials (systemd.exec(5), LoadCredential=).
 */
#ifndef TMOUT_FLEET_FILES_H
#define TMOUT_FLEET_FILES_H

#include "lib/host/failure.h"
#include "lib/paths.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define FLEET_FILES_DIR SYSCONFDIR "/security/tmout-fleet"

enum { FLEET_PASSWORD_MAX = 512 };

/* The path of the file with this name in the directory of another. Returns false if it is too
 * long. */
bool fleet_path_beside(const char *path, const char *name, char *beside, size_t size);

/*
 * Opens a file that nobody but owner may be able to read, as secure_open_file() does. Returns a
 * descriptor above 2, or -1 with errno and the reason, which names the path: EPERM if it is not
 * trusted.
 */
int fleet_secret_open(const char *path, uid_t owner, struct failure *failure);

/* Reads the first line of a file, without its end, \n or \r\n, and no more than size. Returns its
 * length, or -1 with errno. */
ssize_t fleet_first_line_read(int fd, char *line, size_t size);

/* The file's name, of a setting that has the name, or its path in FLEET_FILES_DIR. */
const char *fleet_file_name(const char *setting);

/*
 * Where the file of this name is: beside conf_path, or, where there is no such directory, as for
 * a draft, in FLEET_FILES_DIR; for a conf_path that is a credential, it is another one. Returns
 * false if the path is too long.
 */
bool fleet_file_path(const char *conf_path, const char *name, char *path, size_t size);

/*
 * Opens it for reading, as secure_open_file() does; is_secret: nobody but root may be able to
 * read it. Returns a descriptor above 2, or -1 with errno and the reason, which names the path:
 * EPERM if it is not trusted.
 */
int fleet_file_open(const char *conf_path, const char *name, uid_t owner, bool is_secret,
                    struct failure *failure);

/* The password: the first line of the file. Returns 0, or -1 as above; EPERM if there is none
 * in it. */
int fleet_password_read(const char *conf_path, const char *name, uid_t owner,
                        char password[FLEET_PASSWORD_MAX], struct failure *failure);

#endif

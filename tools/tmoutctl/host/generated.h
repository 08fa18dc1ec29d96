/* Files that a program writes: an edit by hand would be lost, or stop that
 * program from doing its work. */
#ifndef TMOUT_TMOUTCTL_HOST_GENERATED_H
#define TMOUT_TMOUTCTL_HOST_GENERATED_H

#include "tools/tmoutctl/host/text_file.h"

/*
 * Who writes the host's file at path: "cloud-init", "Ansible" and so on; static.
 * NULL: nobody that is known, so that it may be edited. path is the file's own,
 * without symbolic links. A comment at the start of a file may tell that it is
 * generated. For PAM's files, see pam/generated.h.
 */
const char *generated_by(const char *path, const struct text_file *file);

#endif

/* The keywords of sshd_config(5), and what takes their place by mistake. */
#ifndef TMOUT_TMOUTCTL_SSHD_WORDS_H
#define TMOUT_TMOUTCTL_SSHD_WORDS_H

#include <stdbool.h>

/* Is it a keyword of some version of sshd? */
bool sshd_knows_word(const char *keyword);

/* Is it a keyword of ssh, the client, alone? */
bool ssh_client_knows_word(const char *keyword);

/* The keyword of sshd that was probably meant by one that it does not know;
 * NULL: none is near. */
const char *sshd_word_meant(const char *keyword);

#endif

#include "tools/tmoutctl/sshd/suggest.h"

#include "lib/policy/settings.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* What only ssh_config(5) has, as of OpenSSH 10.2. sshd itself knows its own
 * options; this is for the hint that an option is in the wrong file. */
static const char *const client_options[] = {
    "addkeystoagent",
    "batchmode",
    "bindaddress",
    "bindinterface",
    "canonicaldomains",
    "canonicalizefallbacklocal",
    "canonicalizehostname",
    "canonicalizemaxdots",
    "canonicalizepermittedcnames",
    "certificatefile",
    "checkhostip",
    "cipher",
    "clearallforwardings",
    "compressionlevel",
    "connectionattempts",
    "connecttimeout",
    "controlmaster",
    "controlpath",
    "controlpersist",
    "dynamicforward",
    "enableescapecommandline",
    "enablesshkeysign",
    "escapechar",
    "exitonforwardfailure",
    "fallbacktorsh",
    "forkafterauthentication",
    "forwardagent",
    "forwardx11",
    "forwardx11timeout",
    "forwardx11trusted",
    "globalknownhostsfile",
    "globalknownhostsfile2",
    "hashknownhosts",
    "host",
    "hostkeyalias",
    "hostname",
    "identitiesonly",
    "identityagent",
    "identityfile",
    "identityfile2",
    "ignoreunknown",
    "kbdinteractivedevices",
    "knownhostscommand",
    "localcommand",
    "localforward",
    "nohostauthenticationforlocalhost",
    "numberofpasswordprompts",
    "obscurekeystroketiming",
    "permitlocalcommand",
    "permitremoteopen",
    "pkcs11provider",
    "preferredauthentications",
    "proxycommand",
    "proxyjump",
    "proxyusefdpass",
    "remotecommand",
    "remoteforward",
    "requesttty",
    "revokedhostkeys",
    "sendenv",
    "serveralivecountmax",
    "serveraliveinterval",
    "sessiontype",
    "smartcarddevice",
    "stdinnull",
    "stricthostkeychecking",
    "tag",
    "tunnel",
    "tunneldevice",
    "updatehostkeys",
    "user",
    "userknownhostsfile",
    "verifyhostkeydns",
    "visualhostkey",
    "warnweakcrypto",
};

/* Options of the client that have a counterpart in sshd. */
static const struct {
    const char *client, *server;
} counterparts[] = {
    {"ServerAliveInterval", "ClientAliveInterval"},
    {"ServerAliveCountMax", "ClientAliveCountMax"},
};

bool ssh_client_has_option(const char *keyword)
{
    for (size_t i = 0; i < sizeof client_options / sizeof client_options[0]; i++)
        if (strcasecmp(keyword, client_options[i]) == 0)
            return true;
    return false;
}

enum { OPTION_NAME_MAX = 64 };

/* sshd ignores case, and nearest_word() does not. */
static void to_lower(const char *keyword, char lower[OPTION_NAME_MAX])
{
    size_t i = 0;

    for (; keyword[i] != '\0' && i + 1 < OPTION_NAME_MAX; i++)
        lower[i] = (char)tolower((unsigned char)keyword[i]);
    lower[i] = '\0';
}

const char *sshd_suggest(const char *keyword, const struct sshd_config *builtin)
{
    char wanted[OPTION_NAME_MAX], ours[SETTING_COUNT][OPTION_NAME_MAX];
    const size_t count = sshd_keyword_count + builtin->count;
    const char **candidates;

    for (size_t i = 0; i < sizeof counterparts / sizeof counterparts[0]; i++)
        if (strcasecmp(keyword, counterparts[i].client) == 0)
            return counterparts[i].server;
    if (ssh_client_has_option(keyword) || (candidates = calloc(count, sizeof *candidates)) == NULL)
        return NULL;
    for (size_t i = 0; i < sshd_keyword_count; i++) {
        to_lower(sshd_keywords[i].keyword, ours[i]);
        candidates[i] = ours[i];
    }
    for (size_t i = 0; i < builtin->count; i++)
        candidates[sshd_keyword_count + i] = builtin->item[i].keyword; /* in lower case */
    to_lower(keyword, wanted);
    const char *nearest = nearest_word(wanted, candidates, count);
    free(candidates);
    for (size_t i = 0; i < sshd_keyword_count; i++)
        if (nearest == ours[i])
            return sshd_keywords[i].keyword;
    return nearest;
}

#include "tools/tmoutctl/sshd/words.h"

#include "lib/policy/settings.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* All that any OpenSSH up to 10.5 and Debian's patches take, the retired ones
 * too: these sshd reports, and goes on. */
static const char *const server_words[] = {"AcceptEnv",
                                           "AddressFamily",
                                           "AFSTokenPassing",
                                           "AllowAgentForwarding",
                                           "AllowGroups",
                                           "AllowStreamLocalForwarding",
                                           "AllowTcpForwarding",
                                           "AllowUsers",
                                           "AuthenticationMethods",
                                           "AuthorizedKeysCommand",
                                           "AuthorizedKeysCommandUser",
                                           "AuthorizedKeysFile",
                                           "AuthorizedKeysFile2",
                                           "AuthorizedPrincipalsCommand",
                                           "AuthorizedPrincipalsCommandUser",
                                           "AuthorizedPrincipalsFile",
                                           "Banner",
                                           "CASignatureAlgorithms",
                                           "ChallengeResponseAuthentication",
                                           "ChannelTimeout",
                                           "CheckMail",
                                           "ChrootDirectory",
                                           "Ciphers",
                                           "ClientAliveCountMax",
                                           "ClientAliveInterval",
                                           "Compression",
                                           "DebianBanner",
                                           "DenyGroups",
                                           "DenyUsers",
                                           "DisableForwarding",
                                           "DSAAuthentication",
                                           "ExposeAuthInfo",
                                           "FingerprintHash",
                                           "ForceCommand",
                                           "GatewayPorts",
                                           "GSSAPIAuthentication",
                                           "GSSAPICleanupCredentials",
                                           "GSSAPIDelegateCredentials",
                                           "GSSAPIKexAlgorithms",
                                           "GSSAPIKeyExchange",
                                           "GSSAPIStoreCredentialsOnRekey",
                                           "GSSAPIStrictAcceptorCheck",
                                           "HostbasedAcceptedAlgorithms",
                                           "HostbasedAcceptedKeyTypes",
                                           "HostbasedAuthentication",
                                           "HostbasedUsesNameFromPacketOnly",
                                           "HostCertificate",
                                           "HostDSAKey",
                                           "HostKey",
                                           "HostKeyAgent",
                                           "HostKeyAlgorithms",
                                           "IgnoreRhosts",
                                           "IgnoreUserKnownHosts",
                                           "Include",
                                           "IPQoS",
                                           "KbdInteractiveAuthentication",
                                           "KeepAlive",
                                           "KerberosAuthentication",
                                           "KerberosGetAFSToken",
                                           "KerberosOrLocalPasswd",
                                           "KerberosTgtPassing",
                                           "KerberosTicketCleanup",
                                           "KexAlgorithms",
                                           "KeyRegenerationInterval",
                                           "ListenAddress",
                                           "LoginGraceTime",
                                           "LogLevel",
                                           "LogVerbose",
                                           "MACs",
                                           "Match",
                                           "MaxAuthTries",
                                           "MaxSessions",
                                           "MaxStartups",
                                           "ModuliFile",
                                           "PAMAuthenticationViaKbdInt",
                                           "PAMServiceName",
                                           "PasswordAuthentication",
                                           "PermitEmptyPasswords",
                                           "PermitListen",
                                           "PermitOpen",
                                           "PermitRootLogin",
                                           "PermitTTY",
                                           "PermitTunnel",
                                           "PermitUserEnvironment",
                                           "PermitUserRC",
                                           "PerSourceMaxStartups",
                                           "PerSourceNetBlockSize",
                                           "PerSourcePenalties",
                                           "PerSourcePenaltyExemptList",
                                           "PidFile",
                                           "Port",
                                           "PrintLastLog",
                                           "PrintMotd",
                                           "Protocol",
                                           "PubkeyAcceptedAlgorithms",
                                           "PubkeyAcceptedKeyTypes",
                                           "PubkeyAuthentication",
                                           "PubkeyAuthOptions",
                                           "RDomain",
                                           "RefuseConnection",
                                           "RekeyLimit",
                                           "RequiredRSASize",
                                           "ReverseMappingCheck",
                                           "RevokedKeys",
                                           "RhostsAuthentication",
                                           "RhostsRSAAuthentication",
                                           "RSAAuthentication",
                                           "SecurityKeyProvider",
                                           "ServerKeyBits",
                                           "SetEnv",
                                           "SKeyAuthentication",
                                           "SshdAuthPath",
                                           "SshdSessionPath",
                                           "StreamLocalBindMask",
                                           "StreamLocalBindUnlink",
                                           "StrictModes",
                                           "Subsystem",
                                           "SyslogFacility",
                                           "TCPKeepAlive",
                                           "TrustedUserCAKeys",
                                           "UnusedConnectionTimeout",
                                           "UseDNS",
                                           "UseLogin",
                                           "UsePAM",
                                           "UsePrivilegeSeparation",
                                           "VerifyReverseMapping",
                                           "VersionAddendum",
                                           "X11DisplayOffset",
                                           "X11Forwarding",
                                           "X11UseLocalhost",
                                           "XAuthLocation"};

/* What only ssh_config(5) has. */
static const char *const client_words[] = {"addkeystoagent",
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
                                           "warnweakcrypto"};

enum {
    SERVER_WORDS = sizeof server_words / sizeof *server_words,
    CLIENT_WORDS = sizeof client_words / sizeof *client_words,
    WORD_MAX = 40
};

/* Settings of the client's that have a counterpart in sshd. */
static const struct {
    const char *client, *server;
} counterparts[] = {
    {"ServerAliveInterval", "ClientAliveInterval"},
    {"ServerAliveCountMax", "ClientAliveCountMax"},
};

static bool is_among(const char *keyword, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcasecmp(keyword, words[i]) == 0)
            return true;
    return false;
}

bool sshd_knows_word(const char *keyword)
{
    return is_among(keyword, server_words, SERVER_WORDS);
}

bool ssh_client_knows_word(const char *keyword)
{
    return is_among(keyword, client_words, CLIENT_WORDS);
}

static void to_lower(const char *from, char to[WORD_MAX])
{
    size_t i = 0;

    for (; from[i] != '\0' && i + 1 < WORD_MAX; i++)
        to[i] = (char)tolower((unsigned char)from[i]);
    to[i] = '\0';
}

const char *sshd_word_meant(const char *keyword)
{
    char lower[WORD_MAX], text[SERVER_WORDS][WORD_MAX];
    const char *candidates[SERVER_WORDS];

    for (size_t i = 0; i < sizeof counterparts / sizeof *counterparts; i++)
        if (strcasecmp(keyword, counterparts[i].client) == 0)
            return counterparts[i].server;
    if (ssh_client_knows_word(keyword))
        return NULL;
    /* sshd does not mind the case, and nearest_word() does. */
    for (size_t i = 0; i < SERVER_WORDS; i++) {
        to_lower(server_words[i], text[i]);
        candidates[i] = text[i];
    }
    to_lower(keyword, lower);
    const char *nearest = nearest_word(lower, candidates, SERVER_WORDS);
    for (size_t i = 0; nearest != NULL && i < SERVER_WORDS; i++)
        if (nearest == candidates[i])
            return server_words[i];
    return NULL;
}

#include "tools/fleetd/store_tls.h"

#ifdef HAVE_FLEET_TLS

#include "lib/fleet/files.h"

#include <arpa/inet.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

struct store_tls {
    const struct fleet_conf *conf;
    SSL_CTX *context;
    SSL *connection;           /* the last one; hiredis has a reference of its own */
    char name[FLEET_TEXT_MAX]; /* that its certificate has to be for */
    int alert;                 /* that the store has sent; 0: none */
};

/* --- the files ----------------------------------------------------------------------------- */

static const char *openssl_reason(void)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());

    return reason != NULL ? reason : "no reason given";
}

/* An encrypted key must not make the daemon ask at a terminal. */
static int no_passphrase(char *text, int size, int writing, void *context)
{
    (void)writing;
    (void)context;
    if (size > 0)
        text[0] = '\0';
    return -1;
}

static int load_ca(SSL_CTX *context, const char *path)
{
    return SSL_CTX_load_verify_locations(context, path, NULL);
}

static int load_key(SSL_CTX *context, const char *path)
{
    return SSL_CTX_use_PrivateKey_file(context, path, SSL_FILETYPE_PEM);
}

/* The file of this name, by this function of OpenSSL; nothing to do for "". */
static int load(struct store_tls *tls, const char *conf_path, const char *name,
                int (*function)(SSL_CTX *, const char *), struct failure *failure)
{
    char path[PATH_MAX];

    if (name[0] == '\0')
        return 0;
    ERR_clear_error();
    if (fleet_file_path(conf_path, name, path, sizeof path) && function(tls->context, path) == 1)
        return 0;
    failure_set(failure, "%s: cannot be used for TLS: %s", name, openssl_reason());
    return -1;
}

static void on_progress(const SSL *connection, int where, int value)
{
    struct store_tls *tls = SSL_CTX_get_app_data(SSL_get_SSL_CTX(connection));

    if ((where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT && connection == tls->connection &&
        (value & 0xff) != SSL_AD_CLOSE_NOTIFY)
        tls->alert = value & 0xff;
}

struct store_tls *store_tls_new(const struct fleet_conf *conf, const char *conf_path,
                                struct failure *failure)
{
    struct store_tls *tls = calloc(1, sizeof *tls);

    if (tls == NULL || (tls->context = SSL_CTX_new(TLS_client_method())) == NULL ||
        SSL_CTX_set_min_proto_version(tls->context, TLS1_2_VERSION) != 1) {
        failure_set(failure, "cannot set up TLS: out of memory");
        store_tls_free(tls);
        return NULL;
    }
    tls->conf = conf;
    SSL_CTX_set_app_data(tls->context, tls);
    SSL_CTX_set_info_callback(tls->context, on_progress);
    SSL_CTX_set_verify(tls->context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_options(tls->context, SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_default_passwd_cb(tls->context, no_passphrase);
    if (load(tls, conf_path, conf->ca, load_ca, failure) == 0 &&
        load(tls, conf_path, conf->cert, SSL_CTX_use_certificate_chain_file, failure) == 0 &&
        load(tls, conf_path, conf->key, load_key, failure) == 0)
        return tls;
    store_tls_free(tls);
    return NULL;
}

void store_tls_free(struct store_tls *tls)
{
    if (tls == NULL)
        return;
    SSL_free(tls->connection);
    SSL_CTX_free(tls->context);
    free(tls);
}

/* --- a connection -------------------------------------------------------------------------- */

/* What its certificate has to be for. The subject's common name is not looked at. */
static bool expect_name(SSL *connection, const char *name)
{
    X509_VERIFY_PARAM *verify = SSL_get0_param(connection);

    if (X509_VERIFY_PARAM_set1_ip_asc(verify, name) == 1)
        return true;
    X509_VERIFY_PARAM_set_hostflags(verify, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
                                                X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    return X509_VERIFY_PARAM_set1_host(verify, name, 0) == 1 &&
           SSL_set_tlsext_host_name(connection, name) == 1;
}

static bool start_handshake(struct store_tls *tls, redisAsyncContext *connection)
{
    tls->connection = SSL_new(tls->context);
    if (tls->connection == NULL || !expect_name(tls->connection, tls->name) ||
        SSL_up_ref(tls->connection) != 1)
        return false;
    if (redisInitiateSSL(&connection->c, tls->connection) == REDIS_OK)
        return true;
    SSL_free(tls->connection); /* hiredis has not taken it */
    return false;
}

void store_tls_begin(struct store_tls *tls, redisAsyncContext *connection,
                     const struct fleet_endpoint *endpoint)
{
    SSL_free(tls->connection);
    tls->connection = NULL;
    tls->alert = 0;
    snprintf(tls->name, sizeof tls->name, "%s",
             tls->conf->name[0] != '\0' ? tls->conf->name : endpoint->address);
    ERR_clear_error();
    if (start_handshake(tls, connection))
        return;
    connection->err = REDIS_ERR_OTHER;
    connection->errstr = connection->c.err != 0 ? connection->c.errstr : (char *)"no TLS";
}

/* --- why it has ended ------------------------------------------------------------------------ */

static void explain_certificate(const struct store_tls *tls, long result, char *why, size_t size)
{
    if (result == X509_V_ERR_HOSTNAME_MISMATCH || result == X509_V_ERR_IP_ADDRESS_MISMATCH)
        snprintf(why, size, "its certificate is not for %.80s", tls->name);
    else if (result == X509_V_ERR_CERT_HAS_EXPIRED)
        snprintf(why, size, "its certificate has expired");
    else if (result == X509_V_ERR_CERT_NOT_YET_VALID)
        snprintf(why, size, "its certificate is not valid yet: are the clocks right?");
    else
        snprintf(why, size, "its certificate is not one of the CA in %.40s: %s", tls->conf->ca,
                 X509_verify_cert_error_string(result));
}

static void explain_alert(const struct store_tls *tls, char *why, size_t size)
{
    const bool has_certificate = tls->conf->cert[0] != '\0';

    if (!has_certificate &&
        (tls->alert == SSL_AD_HANDSHAKE_FAILURE || tls->alert == TLS13_AD_CERTIFICATE_REQUIRED))
        snprintf(why, size, "it wants a certificate of this host: set cert and key");
    else
        snprintf(why, size, "it rejects %s: %s",
                 has_certificate ? "TLS, or this host's certificate" : "TLS",
                 SSL_alert_desc_string_long(tls->alert));
}

/* With TLS 1.3 the store looks at this host's certificate when the handshake is over here, and what
 * it says of it may be lost with the connection. */
static void explain_end(const struct store_tls *tls, char *why, size_t size)
{
    if (!SSL_is_init_finished(tls->connection))
        snprintf(why, size, "there is no TLS connection: %s",
                 ERR_peek_last_error() != 0 ? openssl_reason() : "it has ended the handshake");
    else
        snprintf(why, size, "it has closed the connection: does it %s this host?",
                 tls->conf->cert[0] != '\0' ? "accept the certificate of"
                                            : "want a certificate of");
}

bool store_tls_explain(struct store_tls *tls, enum tls_end end, char *why, size_t size)
{
    if (tls->connection == NULL)
        return false;
    const long result = SSL_get_verify_result(tls->connection);
    const bool is_finished = SSL_is_init_finished(tls->connection) == 1;
    if (result != X509_V_OK)
        explain_certificate(tls, result, why, size);
    else if (tls->alert != 0)
        explain_alert(tls, why, size);
    else if (end == TLS_LATE && !is_finished)
        snprintf(why, size, "it did not answer in time: does it speak TLS?");
    else if (end == TLS_CLOSED || (end == TLS_NOT_CONNECTED && is_finished))
        explain_end(tls, why, size);
    else
        return false;
    return true;
}

#else

struct store_tls *store_tls_new(const struct fleet_conf *conf, const char *conf_path,
                                struct failure *failure)
{
    (void)conf;
    failure_set(failure, "%s: this build has no TLS", conf_path);
    return NULL;
}

void store_tls_free(struct store_tls *tls)
{
    (void)tls;
}

void store_tls_begin(struct store_tls *tls, redisAsyncContext *connection,
                     const struct fleet_endpoint *endpoint)
{
    (void)tls;
    (void)connection;
    (void)endpoint;
}

bool store_tls_explain(struct store_tls *tls, enum tls_end end, char *why, size_t size)
{
    (void)tls;
    (void)end;
    if (size > 0)
        why[0] = '\0';
    return false;
}

#endif

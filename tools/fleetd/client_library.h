/*
 * The client of Valkey and Redis: libvalkey where a distribution has it, else hiredis, of which
 * that is the successor. Their functions differ in names; here they have those of hiredis.
 */
#ifndef TMOUT_FLEETD_CLIENT_LIBRARY_H
#define TMOUT_FLEETD_CLIENT_LIBRARY_H

#ifdef HAVE_LIBVALKEY

#include <valkey/async.h>
#ifdef HAVE_FLEET_TLS
#include <valkey/tls.h>
#endif

#define REDIS_OK                        VALKEY_OK
#define REDIS_ERR_EOF                   VALKEY_ERR_EOF
#define REDIS_ERR_IO                    VALKEY_ERR_IO
#define REDIS_ERR_OTHER                 VALKEY_ERR_OTHER
#define REDIS_REPLY_ARRAY               VALKEY_REPLY_ARRAY
#define REDIS_REPLY_ERROR               VALKEY_REPLY_ERROR
#define REDIS_REPLY_INTEGER             VALKEY_REPLY_INTEGER
#define REDIS_REPLY_NIL                 VALKEY_REPLY_NIL
#define REDIS_REPLY_STRING              VALKEY_REPLY_STRING
#define redisAsyncCommand               valkeyAsyncCommand
#define redisAsyncCommandArgv           valkeyAsyncCommandArgv
#define redisAsyncConnect               valkeyAsyncConnect
#define redisAsyncConnectUnix           valkeyAsyncConnectUnix
#define redisAsyncContext               valkeyAsyncContext
#define redisAsyncFree                  valkeyAsyncFree
#define redisAsyncHandleRead            valkeyAsyncHandleRead
#define redisAsyncHandleWrite           valkeyAsyncHandleWrite
#define redisAsyncSetConnectCallback    valkeyAsyncSetConnectCallback
#define redisAsyncSetDisconnectCallback valkeyAsyncSetDisconnectCallback
#define redisInitiateSSL                valkeyInitiateTLS
#define redisReader                     valkeyReader
#define redisReadTask                   valkeyReadTask
#define redisReply                      valkeyReply
#define redisReplyObjectFunctions       valkeyReplyObjectFunctions

/* What the callback of a connection gets. */
typedef valkeyAsyncContext begun_connection;

#define CLIENT_HAS_RESP3 1

#else

#include <hiredis/async.h>
#ifdef HAVE_FLEET_TLS
#include <hiredis/hiredis_ssl.h>
#endif

typedef const redisAsyncContext begun_connection;

/* From hiredis 1.0 on. Before, the number of an array's elements was an int, too. */
#define CLIENT_HAS_RESP3 (HIREDIS_MAJOR >= 1)

#endif

#endif

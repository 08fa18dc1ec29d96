/*
 * tmoutd: hangs up terminals that stay idle, and ends logins that are too old
 * or move no data, as the policy says for each user.
 */
#include "lib/host/descriptor.h"
#include "tools/tmoutd/daemon.h"
#include "tools/tmoutd/log.h"

#include <syslog.h>
#include <systemd/sd-daemon.h>

int main(int argc, char **argv)
{
    struct options options;
    struct daemon daemon;
    int status = options_parse(argc, argv, &options);

    if (status != OPTIONS_RUN)
        return status;
    fd_fill_stdio();
    log_open(options.foreground);
    status = daemon_start(&daemon, &options) == 0 ? 0 : 1;
    if (status == 0) {
        sd_notify(0, "READY=1");
        log_line(LOG_INFO, "watching");
    }
    while (status == 0 && !daemon.stop)
        status = daemon_turn(&daemon) == 0 ? 0 : 1;
    daemon_free(&daemon);
    log_close();
    return status;
}

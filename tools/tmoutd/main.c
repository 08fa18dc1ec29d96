/*
 * tmoutd: hangs up terminals that stay idle, and ends logins that are too old
 * or move no data, as the policy says for each user.
 */
#include "tools/tmoutd/daemon.h"
#include "tools/tmoutd/log.h"

#include <fcntl.h>
#include <syslog.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

/* If the caller closed fds 0-2, the terminal of a user could get one of these
 * numbers, and what we print would appear there. */
static void fill_standard_descriptors(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

int main(int argc, char **argv)
{
    struct options options;
    struct daemon daemon;
    int status = options_parse(argc, argv, &options);

    if (status != OPTIONS_RUN)
        return status;
    fill_standard_descriptors();
    log_open(options.foreground);
    status = daemon_start(&daemon, &options) == 0 ? 0 : 1;
    if (status == 0) {
        sd_notify(0, "READY=1");
        log_line(LOG_INFO, "watching");
    }
    while (status == 0 && !daemon.stop)
        status = daemon_turn(&daemon) == 0 ? 0 : 1;
    daemon_free(&daemon);
    return status;
}

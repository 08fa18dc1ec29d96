/* What the checks of PAM share: the host's services, and what is wrong with our
 * lines in each. */
#ifndef TMOUT_TMOUTCTL_AUDIT_PAM_FACTS_H
#define TMOUT_TMOUTCTL_AUDIT_PAM_FACTS_H

#include "tools/tmoutctl/audit/audit.h"
#include "tools/tmoutctl/pam/propose.h"
#include "tools/tmoutctl/pam/services.h"

#include <stdbool.h>

/* Our lines of one type in one service, and the edits that put them right. */
struct pam_diagnosis {
    const struct pam_service *service;
    enum pam_type type;
    struct pam_stack stack; /* as the host has it */
    struct pam_wiring wiring;
    struct pam_gaps gaps; /* for whom our line is not on every way */
    struct edits edits;   /* proven; none if why or command says otherwise */
    struct failure why;   /* why no edit is offered, or "" */
    const char *command;  /* to run instead, or NULL */
};

struct pam_facts {
    struct pam_services services;
    char sshd[256];      /* the service that sshd names */
    size_t sshd_service; /* its number; services.count: there is none */
    struct pam_uids uids;
    bool limits_attempts; /* some rule sets max_attempts */
    bool covers_console;  /* some rule covers console logins */
    struct pam_diagnosis *diagnosis;
    size_t diagnoses;
};

/* "FAIL" for the service that sshd names, "WARN" for others. */
enum audit_status pam_severity(const struct pam_facts *pam, const struct pam_service *service);

/* The checks of our lines; they go over all diagnoses. */
void check_pam_session_line(struct audit *audit, const void *facts);
void check_pam_session_order(struct audit *audit, const void *facts);
void check_pam_session_control(struct audit *audit, const void *facts);
void check_pam_auth_line(struct audit *audit, const void *facts);
void check_pam_auth_order(struct audit *audit, const void *facts);
void check_pam_auth_control(struct audit *audit, const void *facts);
void check_pam_prompt(struct audit *audit, const void *facts);
void check_pam_jump(struct audit *audit, const void *facts);
void check_pam_twice(struct audit *audit, const void *facts);
void check_pam_other_services(struct audit *audit, const void *facts);

#endif

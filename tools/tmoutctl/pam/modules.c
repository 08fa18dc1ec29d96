#include "tools/tmoutctl/pam/modules.h"

#include <string.h>

/* How a module comes by what it checks, unless its line says otherwise. */
enum asking_style {
    NOTHING, /* it asks for nothing that is typed */
    ITEM,    /* pam_get_authtok(3): asks once for all, or takes what was asked */
    FLAGS,   /* asks itself; with use_first_pass or try_first_pass it takes what was asked */
    SSS      /* takes what was asked, unless prompt_always; shares with forward_pass */
};

static const struct {
    const char *name;
    enum pam_kind kind;
    enum asking_style style;
    bool repeats;
} modules[] = {
    {PAM_OUR_MODULE, PAM_KIND_OURS, ITEM, false},
    {"pam_unix.so", PAM_KIND_PASSWORD, ITEM, false},
    {"pam_unix_auth.so", PAM_KIND_PASSWORD, ITEM, false},
    {"pam_unix2.so", PAM_KIND_PASSWORD, ITEM, false},
    {"pam_pwdb.so", PAM_KIND_PASSWORD, ITEM, false},
    {"pam_extrausers.so", PAM_KIND_PASSWORD, ITEM, false},
    {"pam_userdb.so", PAM_KIND_PASSWORD, ITEM, false},
    {"pam_systemd_home.so", PAM_KIND_PASSWORD, ITEM, false},
    {"pam_ldap.so", PAM_KIND_PASSWORD, ITEM, false},
    {"pam_radius_auth.so", PAM_KIND_PASSWORD, ITEM, false},
    {"pam_kanidm.so", PAM_KIND_PASSWORD, FLAGS, false},
    {"pam_himmelblau.so", PAM_KIND_PASSWORD, FLAGS, false},
    {"pam_authd.so", PAM_KIND_PASSWORD, FLAGS, false},
    {"pam_sss.so", PAM_KIND_PASSWORD, SSS, false},
    {"pam_krb5.so", PAM_KIND_PASSWORD, FLAGS, false},
    {"pam_krb5_migrate.so", PAM_KIND_PASSWORD, FLAGS, false},
    {"pam_afs_session.so", PAM_KIND_OTHER, NOTHING, false},
    {"pam_winbind.so", PAM_KIND_PASSWORD, FLAGS, false},
    {"pam_smbpass.so", PAM_KIND_PASSWORD, FLAGS, false},
    {"pam_lsass.so", PAM_KIND_PASSWORD, FLAGS, false},
    {"pam_vas3.so", PAM_KIND_PASSWORD, FLAGS, false},
    {"pam_centrifydc.so", PAM_KIND_PASSWORD, FLAGS, false},
    {"pam_pwdfile.so", PAM_KIND_PASSWORD, FLAGS, false},
    {"pam_tacplus.so", PAM_KIND_PASSWORD, FLAGS, false},
    {"pam_mysql.so", PAM_KIND_PASSWORD, FLAGS, false},
    {"pam_pgsql.so", PAM_KIND_PASSWORD, FLAGS, false},
    {"pam_imap.so", PAM_KIND_PASSWORD, FLAGS, false},
    {"pam_ccreds.so", PAM_KIND_PASSWORD, FLAGS, false},
    {"pam_google_authenticator.so", PAM_KIND_CODE, FLAGS, false},
    {"pam_oath.so", PAM_KIND_CODE, FLAGS, false},
    {"pam_duo.so", PAM_KIND_CODE, FLAGS, false},
    {"pam_yubico.so", PAM_KIND_CODE, FLAGS, false},
    {"pam_otpw.so", PAM_KIND_CODE, FLAGS, false},
    {"pam_opie.so", PAM_KIND_CODE, FLAGS, false},
    {"pam_skey.so", PAM_KIND_CODE, FLAGS, false},
    {"pam_barada.so", PAM_KIND_CODE, FLAGS, false},
    {"pam_multiotp.so", PAM_KIND_CODE, FLAGS, false},
    {"pam_privacyidea.so", PAM_KIND_CODE, FLAGS, false},
    {"pam_linotp.so", PAM_KIND_CODE, FLAGS, false},
    {"pam_securid.so", PAM_KIND_CODE, FLAGS, false},
    {"pam_okta_mfa.so", PAM_KIND_CODE, FLAGS, false},
    {"pam_u2f.so", PAM_KIND_PRESENCE, NOTHING, false},
    {"pam_fprintd.so", PAM_KIND_PRESENCE, NOTHING, false},
    {"pam_fprint.so", PAM_KIND_PRESENCE, NOTHING, false},
    {"pam_thinkfinger.so", PAM_KIND_PRESENCE, NOTHING, false},
    {"pam_howdy.so", PAM_KIND_PRESENCE, NOTHING, false},
    {"pam_ssh_agent_auth.so", PAM_KIND_PRESENCE, NOTHING, false},
    {"pam_rssh.so", PAM_KIND_PRESENCE, NOTHING, false},
    {"pam_sss_gss.so", PAM_KIND_PRESENCE, NOTHING, false},
    {"pam_p11.so", PAM_KIND_PRESENCE, NOTHING, false},
    {"pam_pkcs11.so", PAM_KIND_PRESENCE, NOTHING, false},
    {"pam_poldi.so", PAM_KIND_PRESENCE, NOTHING, false},
    {"pam_usb.so", PAM_KIND_PRESENCE, NOTHING, false},
    {"pam_timestamp.so", PAM_KIND_PRESENCE, NOTHING, false},
    {"pam_rootok.so", PAM_KIND_PRIVILEGE, NOTHING, true},
    {"pam_wheel.so", PAM_KIND_PRIVILEGE, NOTHING, true},
    {"pam_localuser.so", PAM_KIND_CONDITION, NOTHING, true},
    {"pam_usertype.so", PAM_KIND_CONDITION, NOTHING, true},
    {"pam_succeed_if.so", PAM_KIND_CONDITION, NOTHING, true},
    {"pam_listfile.so", PAM_KIND_CONDITION, NOTHING, true},
    {"pam_access.so", PAM_KIND_CONDITION, NOTHING, true},
    {"pam_time.so", PAM_KIND_CONDITION, NOTHING, true},
    {"pam_nologin.so", PAM_KIND_CONDITION, NOTHING, true},
    {"pam_securetty.so", PAM_KIND_CONDITION, NOTHING, true},
    {"pam_shells.so", PAM_KIND_CONDITION, NOTHING, true},
    {"pam_deny.so", PAM_KIND_DENY, NOTHING, true},
    {"pam_permit.so", PAM_KIND_PERMIT, NOTHING, true},
};

/* What the line's options make of the module's own way of asking. */
static void set_asking(const struct pam_line *line, enum asking_style style,
                       struct pam_traits *traits)
{
    const bool may_take =
        pam_line_has(line, "use_first_pass") || pam_line_has(line, "try_first_pass");

    traits->needs_answer = style != NOTHING && pam_line_has(line, "use_first_pass");
    switch (style) {
    case NOTHING:
        break;
    case ITEM:
        traits->asks = PAM_ASKS_ONCE;
        traits->shares = true;
        break;
    case FLAGS:
        traits->asks = may_take ? PAM_ASKS_ONCE : PAM_ASKS_ITSELF;
        /* A code is nothing that a password module could use. */
        traits->shares = traits->kind == PAM_KIND_PASSWORD || pam_line_has(line, "forward_pass");
        break;
    case SSS:
        traits->asks = pam_line_has(line, "prompt_always") ? PAM_ASKS_ITSELF : PAM_ASKS_ONCE;
        traits->shares = pam_line_has(line, "forward_pass");
        break;
    }
    if (traits->needs_answer)
        traits->asks = PAM_ASKS_NOTHING;
}

struct pam_traits pam_traits_of(const struct pam_line *line)
{
    struct pam_traits traits = {.kind = PAM_KIND_OTHER};
    enum asking_style style = NOTHING;

    for (size_t i = 0; i < sizeof modules / sizeof *modules; i++) {
        if (!pam_line_is(line, modules[i].name))
            continue;
        traits.kind = modules[i].kind;
        traits.repeats = modules[i].repeats;
        style = modules[i].style;
    }
    /* With this, pam_exec passes a password on to a program. */
    if (pam_line_is(line, "pam_exec.so") && pam_line_has(line, "expose_authtok")) {
        traits.kind = PAM_KIND_PASSWORD;
        style = ITEM;
    }
    /* With this, only smart cards count. */
    if (pam_line_is(line, "pam_sss.so") && pam_line_has(line, "require_cert_auth")) {
        traits.kind = PAM_KIND_PRESENCE;
        style = NOTHING;
    }
    traits.decides = traits.kind == PAM_KIND_PERMIT || traits.kind == PAM_KIND_DENY ||
                     pam_line_is(line, "pam_unix.so") || pam_line_is(line, "pam_limits.so");
    if (traits.kind == PAM_KIND_OURS && pam_line_has(line, "noprompt"))
        style = NOTHING;
    set_asking(line, style, &traits);
    return traits;
}

size_t pam_find_kind(const struct pam_stack *stack, enum pam_kind kind, size_t from)
{
    while (from < stack->count && pam_traits_of(&stack->line[from]).kind != kind)
        from++;
    return from;
}

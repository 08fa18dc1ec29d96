# One of a profile's PAM files, with our lines.

function is_type(line, type) { return line ~ ("^-?" type "[ \t]") }

# A password, a PIN or a code that somebody may guess is checked here.
function is_check(line)
{
    return is_type(line, "auth") && line !~ /require_cert_auth/ &&
        line ~ /pam_(unix|sss|winbind|systemd_home|krb5|ldap|userdb|radius_auth)\.so/
}

# Lets people in without a password, or nobody at all.
function is_without_password(line)
{
    return is_type(line, "auth") &&
        line ~ /pam_(u2f|fprintd|deny)\.so|pam_sss\.so .*require_cert_auth/
}

function is_jump(line) { return line ~ /\[[^]]*=[0-9]+[^]]*\]/ }

# A jump over the next line alone, and that line lets people in without a password.
function is_jump_over_card(at)
{
    return line[at] ~ /success=1 / && is_jump(line[at]) && is_without_password(line[at + 1])
}

# What ends a line for authselect, {include if "x"}.
function condition() { return "{include if \"with-tmout\"}" }

{ line[NR] = $0 }

END {
    for (i = NR; i > 0; i--)
        if (is_check(line[i]))
            check = i
    for (i = 1; i < check; i++)
        if (line[i] ~ /pam_faillock\.so[ \t]+preauth/)
            place = i
    # Without pam_faillock: behind what comes before the first jump.
    if (check && !place)
        for (i = 1; i < check && !is_jump(line[i]); i++)
            if (is_type(line[i], "auth"))
                place = i
    if (check) {
        for (i = place + 1; i < check; i++)
            if (is_without_password(line[i]))
                place = i
            else if (line[i] !~ /^[ \t]*(#|$)/ && !is_jump_over_card(i))
                break
    }
    for (i = 1; i <= NR; i++) {
        if (is_type(line[i], "session"))
            last = i
        if (is_type(line[i], "password") && !first)
            first = i
        if (is_type(line[i], "password") && line[i] ~ /pam_(unix|sss|winbind)\.so/)
            changes = 1
        if (line[i] ~ /try_cert_auth.*"with-smartcard"/)
            card = "\"with-smartcard\""
        if (line[i] ~ /pam_sss_gss\.so.*"with-gssapi"/)
            ticket = "\"with-gssapi\""
    }
    # A card's PIN or a ticket comes first, and only then a password is asked for.
    if (card || ticket)
        quiet = " {if " card (card && ticket ? " or " : "") ticket ":noprompt}"
    control = "[success=ok new_authtok_reqd=ok ignore=ignore module_unknown=ignore default=die]"
    for (i = 1; i <= NR; i++) {
        if (i == first && changes)
            print "password    " control " pam_tmout.so " condition()
        print line[i]
        if (check && i == place)
            print "auth        " control " pam_tmout.so" quiet " " condition()
        if (i == last && line[i] !~ /^session[ \t]+include/)
            print "session     optional                                     pam_tmout.so " condition()
    }
}

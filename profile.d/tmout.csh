# tmout.csh, in /etc/profile.d: the idle limit for users of tcsh, from PAM_TMOUT
# as in tmout.sh, and the same ten minutes without one. tcsh counts whole minutes,
# in autologout, and only at a prompt; bsd-csh has no timeout.

if ($?tcsh && $?prompt) then
    # The decision. Anything but its exact form counts as no decision. The
    # leading `=` makes a word of a value that is empty or looks like an operator.
    set tmout_mode = ""
    set tmout_minutes = 10
    if ($?SSH_CONNECTION) then
        if (=$SSH_CONNECTION:q != =) set tmout_mode = readonly
    endif
    if ($?PAM_TMOUT) then
        if (=$PAM_TMOUT:q == =none) then
            set tmout_mode = none
        else if (=$PAM_TMOUT:q =~ =[1-9]*\ {readonly,default} \
            && =$PAM_TMOUT:q !~ =*[^0-9]*\ {readonly,default} \
            && =$PAM_TMOUT:q !~ =?????????*\ {readonly,default}) then
            set tmout_mode = ($PAM_TMOUT)
            @ tmout_minutes = $tmout_mode[1] / 60
            if ($tmout_minutes == 0) set tmout_minutes = 1
            set tmout_mode = $tmout_mode[2]
        endif
    endif

    # An assignment to a readonly autologout would end this file and all files
    # that read it, so a subshell tries it first. What a site's script has already
    # made readonly stays.
    if ($tmout_mode == readonly || $tmout_mode == default) then
        ( set autologout = $tmout_minutes ) >& /dev/null
        if ($status == 0) then
            if ($tmout_mode == readonly) then
                set -r autologout = $tmout_minutes
            else
                set autologout = $tmout_minutes
            endif
        endif
    endif
    unset tmout_mode tmout_minutes
endif

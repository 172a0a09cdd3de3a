! SPDX-License-Identifier: BSD-3-Clause
!
! PVM 3 for free form: the constants of fpvm3.h, and the calls, so that the compiler sees what is
! forgotten. pvmfaddmhf is not among them: its handler gets its buffer by value.
!
module pvm3
  implicit none
  public
  include 'fpvm3.h'

  ! for pvmfreduce, beside what the program has itself
  external :: pvmmax, pvmmin, pvmsum, pvmproduct

  interface
    subroutine pvmfmytid(tid)
      integer, intent(out) :: tid
    end subroutine pvmfmytid
    subroutine pvmfparent(tid)
      integer, intent(out) :: tid
    end subroutine pvmfparent
    subroutine pvmfexit(info)
      integer, intent(out) :: info
    end subroutine pvmfexit
    subroutine pvmfspawn(task, flag, where, ntask, tids, numt)
      character(len=*), intent(in) :: task, where
      integer, intent(in) :: flag, ntask
      integer, intent(inout) :: tids(*)
      integer, intent(out) :: numt
    end subroutine pvmfspawn
    subroutine pvmfkill(tid, info)
      integer, intent(in) :: tid
      integer, intent(out) :: info
    end subroutine pvmfkill
    subroutine pvmfsendsig(tid, signum, info)
      integer, intent(in) :: tid, signum
      integer, intent(out) :: info
    end subroutine pvmfsendsig
    subroutine pvmfpstat(tid, info)
      integer, intent(in) :: tid
      integer, intent(out) :: info
    end subroutine pvmfpstat
    subroutine pvmfsiblings(ntids, idx, tid)
      integer, intent(in) :: idx
      integer, intent(inout) :: tid
      integer, intent(out) :: ntids
    end subroutine pvmfsiblings
    subroutine pvmftasks(where, ntask, tid, ptid, dtid, flag, aout, info)
      character(len=*), intent(inout) :: aout
      integer, intent(in) :: where
      integer, intent(inout) :: ntask
      integer, intent(out) :: tid, ptid, dtid, flag, info
    end subroutine pvmftasks
    subroutine pvmfcatchout(onoff, info)
      integer, intent(in) :: onoff
      integer, intent(out) :: info
    end subroutine pvmfcatchout
    subroutine pvmfsleep(seconds)
      integer, intent(in) :: seconds
    end subroutine pvmfsleep
    subroutine pvmfconfig(nhost, narch, dtid, name, arch, speed, info)
      character(len=*), intent(inout) :: name, arch
      integer, intent(inout) :: nhost
      integer, intent(out) :: narch, dtid, speed, info
    end subroutine pvmfconfig
    subroutine pvmfaddhost(host, info)
      character(len=*), intent(in) :: host
      integer, intent(out) :: info
    end subroutine pvmfaddhost
    subroutine pvmfdelhost(host, info)
      character(len=*), intent(in) :: host
      integer, intent(out) :: info
    end subroutine pvmfdelhost
    subroutine pvmfmstat(host, info)
      character(len=*), intent(in) :: host
      integer, intent(out) :: info
    end subroutine pvmfmstat
    subroutine pvmftidtohost(tid, dtid)
      integer, intent(in) :: tid
      integer, intent(out) :: dtid
    end subroutine pvmftidtohost
    subroutine pvmfhostsync(host, sec, usec, dsec, dusec, info)
      integer, intent(in) :: host
      integer, intent(out) :: sec, usec, dsec, dusec, info
    end subroutine pvmfhostsync
    subroutine pvmfarchcode(arch, code)
      character(len=*), intent(in) :: arch
      integer, intent(out) :: code
    end subroutine pvmfarchcode
    subroutine pvmfstartpvmd(args, block, info)
      character(len=*), intent(in) :: args
      integer, intent(in) :: block
      integer, intent(out) :: info
    end subroutine pvmfstartpvmd
    subroutine pvmfhalt(info)
      integer, intent(out) :: info
    end subroutine pvmfhalt
    subroutine pvmfperror(msg, info)
      character(len=*), intent(in) :: msg
      integer, intent(out) :: info
    end subroutine pvmfperror
    subroutine pvmfgetopt(what, val)
      integer, intent(in) :: what
      integer, intent(out) :: val
    end subroutine pvmfgetopt
    subroutine pvmfsetopt(what, val, old)
      integer, intent(in) :: what, val
      integer, intent(out) :: old
    end subroutine pvmfsetopt
    subroutine pvmfinitsend(encoding, bufid)
      integer, intent(in) :: encoding
      integer, intent(out) :: bufid
    end subroutine pvmfinitsend
    subroutine pvmfmkbuf(encoding, bufid)
      integer, intent(in) :: encoding
      integer, intent(out) :: bufid
    end subroutine pvmfmkbuf
    subroutine pvmffreebuf(bufid, info)
      integer, intent(in) :: bufid
      integer, intent(out) :: info
    end subroutine pvmffreebuf
    subroutine pvmfgetsbuf(bufid)
      integer, intent(out) :: bufid
    end subroutine pvmfgetsbuf
    subroutine pvmfsetsbuf(bufid, oldbuf)
      integer, intent(in) :: bufid
      integer, intent(out) :: oldbuf
    end subroutine pvmfsetsbuf
    subroutine pvmfgetrbuf(bufid)
      integer, intent(out) :: bufid
    end subroutine pvmfgetrbuf
    subroutine pvmfsetrbuf(bufid, oldbuf)
      integer, intent(in) :: bufid
      integer, intent(out) :: oldbuf
    end subroutine pvmfsetrbuf
    subroutine pvmfbufinfo(bufid, bytes, msgtag, tid, info)
      integer, intent(in) :: bufid
      integer, intent(out) :: bytes, msgtag, tid, info
    end subroutine pvmfbufinfo
    subroutine pvmfpack(what, xp, nitem, stride, info)
      !GCC$ ATTRIBUTES NO_ARG_CHECK :: xp
      !DIR$ IGNORE_TKR xp
      type(*), intent(in) :: xp(*)
      integer, intent(in) :: what, nitem, stride
      integer, intent(out) :: info
    end subroutine pvmfpack
    subroutine pvmfunpack(what, xp, nitem, stride, info)
      !GCC$ ATTRIBUTES NO_ARG_CHECK :: xp
      !DIR$ IGNORE_TKR xp
      type(*), intent(inout) :: xp(*)
      integer, intent(in) :: what, nitem, stride
      integer, intent(out) :: info
    end subroutine pvmfunpack
    subroutine pvmfsend(tid, msgtag, info)
      integer, intent(in) :: tid, msgtag
      integer, intent(out) :: info
    end subroutine pvmfsend
    subroutine pvmfmcast(ntask, tids, msgtag, info)
      integer, intent(in) :: tids(*)
      integer, intent(in) :: ntask, msgtag
      integer, intent(out) :: info
    end subroutine pvmfmcast
    subroutine pvmfrecv(tid, msgtag, bufid)
      integer, intent(in) :: tid, msgtag
      integer, intent(out) :: bufid
    end subroutine pvmfrecv
    subroutine pvmfnrecv(tid, msgtag, bufid)
      integer, intent(in) :: tid, msgtag
      integer, intent(out) :: bufid
    end subroutine pvmfnrecv
    subroutine pvmftrecv(tid, msgtag, sec, usec, bufid)
      integer, intent(in) :: tid, msgtag, sec, usec
      integer, intent(out) :: bufid
    end subroutine pvmftrecv
    subroutine pvmfprobe(tid, msgtag, bufid)
      integer, intent(in) :: tid, msgtag
      integer, intent(out) :: bufid
    end subroutine pvmfprobe
    subroutine pvmfpsend(tid, msgtag, xp, cnt, datatype, info)
      !GCC$ ATTRIBUTES NO_ARG_CHECK :: xp
      !DIR$ IGNORE_TKR xp
      type(*), intent(in) :: xp(*)
      integer, intent(in) :: tid, msgtag, cnt, datatype
      integer, intent(out) :: info
    end subroutine pvmfpsend
    subroutine pvmfprecv(tid, msgtag, xp, cnt, datatype, atid, atag, acnt, info)
      !GCC$ ATTRIBUTES NO_ARG_CHECK :: xp
      !DIR$ IGNORE_TKR xp
      type(*), intent(inout) :: xp(*)
      integer, intent(in) :: tid, msgtag, cnt, datatype
      integer, intent(out) :: atid, atag, acnt, info
    end subroutine pvmfprecv
    subroutine pvmfnotify(what, msgtag, cnt, tids, info)
      integer, intent(in) :: tids(*)
      integer, intent(in) :: what, msgtag, cnt
      integer, intent(out) :: info
    end subroutine pvmfnotify
    subroutine pvmfnewcontext(ctx)
      integer, intent(out) :: ctx
    end subroutine pvmfnewcontext
    subroutine pvmfsetcontext(newctx, oldctx)
      integer, intent(in) :: newctx
      integer, intent(out) :: oldctx
    end subroutine pvmfsetcontext
    subroutine pvmfgetcontext(ctx)
      integer, intent(out) :: ctx
    end subroutine pvmfgetcontext
    subroutine pvmffreecontext(ctx, info)
      integer, intent(in) :: ctx
      integer, intent(out) :: info
    end subroutine pvmffreecontext
    subroutine pvmfdelmhf(mhid, info)
      integer, intent(in) :: mhid
      integer, intent(out) :: info
    end subroutine pvmfdelmhf
    subroutine pvmfputinfo(name, bufid, flags, idx)
      character(len=*), intent(in) :: name
      integer, intent(in) :: bufid, flags
      integer, intent(out) :: idx
    end subroutine pvmfputinfo
    subroutine pvmfrecvinfo(name, idx, flags, bufid)
      character(len=*), intent(in) :: name
      integer, intent(in) :: idx, flags
      integer, intent(out) :: bufid
    end subroutine pvmfrecvinfo
    subroutine pvmfdelinfo(name, idx, flags, info)
      character(len=*), intent(in) :: name
      integer, intent(in) :: idx, flags
      integer, intent(out) :: info
    end subroutine pvmfdelinfo
    subroutine pvmfgetmboxinfo(pattern, name, nclasses, nentries, idx, owner, flags, info)
      character(len=*), intent(in) :: pattern
      character(len=*), intent(inout) :: name
      integer, intent(inout) :: nclasses, info
      integer, intent(inout) :: idx(*), owner(*), flags(*)
      integer, intent(out) :: nentries
    end subroutine pvmfgetmboxinfo
    subroutine pvmfjoingroup(grp, inum)
      character(len=*), intent(in) :: grp
      integer, intent(out) :: inum
    end subroutine pvmfjoingroup
    subroutine pvmflvgroup(grp, info)
      character(len=*), intent(in) :: grp
      integer, intent(out) :: info
    end subroutine pvmflvgroup
    subroutine pvmfgetinst(grp, tid, inum)
      character(len=*), intent(in) :: grp
      integer, intent(in) :: tid
      integer, intent(out) :: inum
    end subroutine pvmfgetinst
    subroutine pvmfgettid(grp, inum, tid)
      character(len=*), intent(in) :: grp
      integer, intent(in) :: inum
      integer, intent(out) :: tid
    end subroutine pvmfgettid
    subroutine pvmfgsize(grp, size)
      character(len=*), intent(in) :: grp
      integer, intent(out) :: size
    end subroutine pvmfgsize
    subroutine pvmfbarrier(grp, cnt, info)
      character(len=*), intent(in) :: grp
      integer, intent(in) :: cnt
      integer, intent(out) :: info
    end subroutine pvmfbarrier
    subroutine pvmfbcast(grp, msgtag, info)
      character(len=*), intent(in) :: grp
      integer, intent(in) :: msgtag
      integer, intent(out) :: info
    end subroutine pvmfbcast
    subroutine pvmffreezegroup(grp, size, info)
      character(len=*), intent(in) :: grp
      integer, intent(in) :: size
      integer, intent(out) :: info
    end subroutine pvmffreezegroup
    subroutine pvmfreduce(op, xp, cnt, datatype, msgtag, grp, root, info)
      external :: op
      !GCC$ ATTRIBUTES NO_ARG_CHECK :: xp
      !DIR$ IGNORE_TKR xp
      type(*), intent(inout) :: xp(*)
      character(len=*), intent(in) :: grp
      integer, intent(in) :: cnt, datatype, msgtag, root
      integer, intent(out) :: info
    end subroutine pvmfreduce
    subroutine pvmfscatter(res, xp, cnt, datatype, msgtag, grp, root, info)
      !GCC$ ATTRIBUTES NO_ARG_CHECK :: xp
      !DIR$ IGNORE_TKR xp
      type(*), intent(in) :: xp(*)
      !GCC$ ATTRIBUTES NO_ARG_CHECK :: res
      !DIR$ IGNORE_TKR res
      type(*), intent(inout) :: res(*)
      character(len=*), intent(in) :: grp
      integer, intent(in) :: cnt, datatype, msgtag, root
      integer, intent(out) :: info
    end subroutine pvmfscatter
    subroutine pvmfgather(res, xp, cnt, datatype, msgtag, grp, root, info)
      !GCC$ ATTRIBUTES NO_ARG_CHECK :: xp
      !DIR$ IGNORE_TKR xp
      type(*), intent(in) :: xp(*)
      !GCC$ ATTRIBUTES NO_ARG_CHECK :: res
      !DIR$ IGNORE_TKR res
      type(*), intent(inout) :: res(*)
      character(len=*), intent(in) :: grp
      integer, intent(in) :: cnt, datatype, msgtag, root
      integer, intent(out) :: info
    end subroutine pvmfgather
  end interface
end module pvm3

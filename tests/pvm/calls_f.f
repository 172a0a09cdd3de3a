! SPDX-License-Identifier: BSD-3-Clause
!     PVM from Fortran, in fixed form: each call, with good and bad
!     arguments, and what comes of it.
      program calls
      implicit none
      include 'fpvm3.h'
      integer me, info, parent
      common /who/ me

      call pvmfmytid(me)
      call pvmfparent(parent)
      if (parent .gt. 0) then
         call child(parent)
         stop
      end if
      call pvmfsetopt(PVMAUTOERR, 0, info)
      call show('setopt', info)
      call show('parent', parent)
      call tasks
      call hosts
      call packing
      call texts
      call messages
      call boxes
      call contexts
      call groups
      call spawning
      call pvmfexit(info)
      call show('exit', info)
      end

      subroutine show(what, value)
      character*(*) what
      integer value
      print '(a,a,i0)', what, ' ', value
      end

!     Ids differ from run to run.
      subroutine showid(what, value)
      character*(*) what
      integer value, me
      common /who/ me
      if (value .eq. me) then
         print '(a,a)', what, ' me'
      else if (value .gt. 0) then
         print '(a,a)', what, ' an id'
      else
         print '(a,a,i0)', what, ' ', value
      end if
      end

      subroutine tasks
      implicit none
      include 'fpvm3.h'
      integer me, i, n, tid, ptid, dtid, flag, info, host
      character*64 name
      common /who/ me

      print '(a)', '[tasks]'
      call pvmfpstat(me, info)
      call show('pstat', info)
      call pvmfpstat(me + 1000, info)
      call show('pstat of nobody', info)
      call pvmfkill(0, info)
      call show('kill', info)
      call pvmfsendsig(0, 15, info)
      call show('sendsig', info)
      call pvmftidtohost(me, host)
      call pvmftidtohost(host, info)
      call show('host', host - info)
      call pvmfsiblings(n, 0, tid)
      call show('siblings', n)
      call showid('first', tid)
      tid = 77
      call pvmfsiblings(n, -1, tid)
      call show('left alone', tid)
      call pvmfsiblings(n, 5, tid)
      call show('beyond', tid)
!     One entry for each call, round and round.
      do 10 i = 1, 3
         tid = 0
         ptid = -1
         name = 'unset'
         n = -99
         call pvmftasks(0, n, tid, ptid, dtid, flag, name, info)
         call show('tasks', info)
         call show('number', n)
         call showid('tid', tid)
         call show('parent', ptid)
         call show('host', dtid - host)
         call show('flag', flag)
         print '(a,a,a)', 'name "', name, '"'
 10   continue
      call pvmftasks(me, n, tid, ptid, dtid, flag, name, info)
      call show('tasks', info)
      call showid('tid', tid)
      n = -1
      call pvmftasks(-1, n, tid, ptid, dtid, flag, name, info)
      call show('bad tasks', info)
      end

      subroutine hosts
      implicit none
      include 'fpvm3.h'
      integer i, n, archs, dtid, speed, info, c(4), host, me
      character*40 name
      character*10 arch
      common /who/ me

      print '(a)', '[hosts]'
      call pvmftidtohost(me, host)
      do 10 i = 1, 3
         name = 'unset'
         arch = 'unset'
         n = -99
         call pvmfconfig(n, archs, dtid, name, arch, speed, info)
         call show('config', info)
         call show('hosts', n)
         call show('archs', archs)
         call show('dtid', dtid - host)
         call show('speed', speed)
         print '(a,a,a)', 'arch "', arch, '"'
 10   continue
      call pvmfmstat(name, info)
      call show('mstat', info)
      call pvmfmstat('no.such.host', info)
      call show('mstat', info)
      call pvmfmstat(' ', info)
      call show('mstat', info)
      call pvmfdelhost('no.such.host', info)
      call show('delhost', info)
      call pvmfarchcode('LINUX64', i)
      call show('archcode > 0', min(abs(i), 1))
      call pvmfarchcode('NOARCH   ', info)
      call show('archcode', info)
      call pvmfhostsync(host, c(1), c(2), c(3), c(4), info)
      call show('hostsync', info)
      call show('clock', min(c(1), 1))
      call pvmfgetopt(PVMROUTE, info)
      call show('getopt', info)
      call pvmfsetopt(PVMROUTE, PVMROUTEDIRECT, info)
      call show('setopt', info)
      call pvmfgetopt(PVMROUTE, info)
      call show('getopt', info)
      call pvmfsetopt(PVMROUTE, 99, info)
      call show('setopt', info)
      end

      subroutine packing
      implicit none
      include 'fpvm3.h'
      integer me, buf, info, i4(3), j4(3), len, tag, tid
      integer*2 i2(3), j2(3)
      integer*8 i8(2), j8(2)
      real r4(3), s4(3)
      double precision r8(3), s8(3)
      complex c8(2), d8(2)
      complex*16 c16(2), d16(2)
      character b1(3), e1(3)
      common /who/ me
      data i4 /1, -2, 3/, i2 /4, -5, 6/, i8 /7, 8/
      data r4 /1.5, 2.5, -3.5/, r8 /1d100, 2d0, -3d0/
      data c8 /(1.,2.), (3.,4.)/, c16 /(5d0,6d0), (7d0,8d0)/
      data b1 /'x', 'y', 'z'/

      print '(a)', '[packing]'
      call pvmfinitsend(PVMDEFAULT, buf)
      call show('initsend', min(buf, 1))
      call pvmfpack(INTEGER4, i4, 3, 1, info)
      call show('pack', info)
      call pvmfpack(INTEGER2, i2, 2, 2, info)
      call pvmfpack(INTEGER8, i8, 2, 1, info)
      call pvmfpack(REAL4, r4, 3, 1, info)
      call pvmfpack(REAL8, r8, 3, 1, info)
      call pvmfpack(COMPLEX8, c8, 2, 1, info)
      call pvmfpack(COMPLEX16, c16, 2, 1, info)
      call pvmfpack(BYTE1, b1, 3, 1, info)
      call show('pack', info)
      call pvmfbufinfo(buf, len, tag, tid, info)
      call show('length', len)
      call pvmfpack(99, i4, 1, 1, info)
      call show('pack of what', info)
      call pvmfpack(-1, i4, 1, 1, info)
      call show('pack of what', info)
      call pvmfpack(INTEGER4, i4, -1, 1, info)
      call show('pack', info)
      call pvmfsend(me, 3, info)
      call show('send', info)
      call pvmfrecv(-1, 3, buf)
      call pvmfunpack(INTEGER4, j4, 3, 1, info)
      call show('unpack', info)
      j2(2) = 0
      call pvmfunpack(INTEGER2, j2, 2, 2, info)
      call pvmfunpack(INTEGER8, j8, 2, 1, info)
      call pvmfunpack(REAL4, s4, 3, 1, info)
      call pvmfunpack(REAL8, s8, 3, 1, info)
      call pvmfunpack(COMPLEX8, d8, 2, 1, info)
      call pvmfunpack(COMPLEX16, d16, 2, 1, info)
      call pvmfunpack(BYTE1, e1, 3, 1, info)
      call show('unpack', info)
      print *, j4, j2, j8
      print '(3f6.1,3es12.3)', s4, s8
      print '(8f6.1,3a)', d8, d16, e1
      call pvmfunpack(BYTE1, e1, 1, 1, info)
      call show('unpack', info)
      call pvmfunpack(99, j4, 1, 1, info)
      call show('unpack', info)
      end

!     How long a text is, the call says; what is to be unpacked may be
!     longer or shorter.
      subroutine texts
      implicit none
      include 'fpvm3.h'
      integer me, buf, info, len, tag, tid, i
      integer room(4)
      character*12 out
      common /who/ me
      data room /5, 30, 2, 0/

      print '(a)', '[texts]'
      call pvmfinitsend(PVMRAW, buf)
      call pvmfpack(STRING, 'hello', 5, 1, info)
      call show('pack', info)
      call pvmfbufinfo(buf, len, tag, tid, info)
      call show('length', len)
      call pvmfpack(STRING, 'hello', 2, 1, info)
      call pvmfbufinfo(buf, len, tag, tid, info)
      call show('length', len)
      call pvmfpack(STRING, 'a b   ', 6, 1, info)
      call pvmfbufinfo(buf, len, tag, tid, info)
      call show('length', len)
      call pvmfpack(STRING, 'x', 0, 1, info)
      call show('pack', info)
      call pvmfpack(STRING, 'x', -1, 1, info)
      call show('pack', info)
      call pvmfpack(STRING, 'xyz', 3, 2, info)
      call show('pack', info)
      call pvmfbufinfo(buf, len, tag, tid, info)
      call show('length', len)
      call pvmfsend(me, 4, info)
      call pvmfrecv(me, 4, buf)
      do 10 i = 1, 4
         out = '############'
         call pvmfunpack(STRING, out, room(i), 1, info)
         call show('unpack', info)
         if (info .eq. 0) print '(a,a,a)', '"', out, '"'
 10   continue
      call pvmfinitsend(PVMRAW, buf)
      call pvmfpack(STRING, 'longer', 6, 1, info)
      call pvmfsend(me, 4, info)
      call pvmfrecv(me, 4, buf)
      out = '############'
      call pvmfunpack(STRING, out, 3, 1, info)
      call show('unpack', info)
      print '(a,a,a)', '"', out, '"'
      end

      subroutine messages
      implicit none
      include 'fpvm3.h'
      integer me, buf, info, i, v(4), w(4), tid, tag, len, old
      common /who/ me
      data v /1, 2, 3, 4/

      print '(a)', '[messages]'
      call pvmfnrecv(-1, -1, buf)
      call show('nrecv', buf)
      call pvmfprobe(-1, -1, buf)
      call show('probe', buf)
      call pvmftrecv(-1, -1, 0, 1000, buf)
      call show('trecv', buf)
      call pvmfpsend(me, 5, v, 4, INTEGER4, info)
      call show('psend', info)
      call pvmfprecv(-1, 5, w, 3, INTEGER4, tid, tag, len, info)
      call show('precv', info)
      call showid('from', tid)
      call show('tag', tag)
      call show('length', len)
      print *, w(1), w(2), w(3)
      call pvmfmkbuf(PVMRAW, buf)
      call pvmfsetsbuf(buf, old)
      call pvmfgetsbuf(i)
      call show('the one we made', i - buf)
      call pvmfsend(me, 6, info)
      call pvmftrecv(me, 6, -1, 0, i)
      call show('trecv', min(i, 1))
      call pvmfgetrbuf(info)
      call show('the one we have got', i - info)
      call pvmfsetrbuf(0, old)
      call show('it was', old - i)
      call pvmffreebuf(i, info)
      call show('freebuf', info)
      call pvmffreebuf(i, info)
      call show('freebuf', info)
      call pvmfbufinfo(i, len, tag, tid, info)
      call show('bufinfo', info)
      call pvmfsend(me, -1, info)
      call show('send', info)
      call pvmfmcast(1, me, 7, info)
      call show('mcast', info)
      call pvmfnotify(PVMTASKEXIT, 8, 0, me, info)
      call show('notify', info)
      i = me + 1000
      call pvmfnotify(PVMTASKEXIT, 8, 1, i, info)
      call show('notify', info)
      call pvmfrecv(-1, 8, buf)
      call pvmfunpack(INTEGER4, tid, 1, 1, info)
      call show('gone', tid - i)
      end

      subroutine boxes
      implicit none
      include 'fpvm3.h'
      integer me, buf, info, i, classes, entries, at, v
      integer ix(9), owner(9), flags(9)
      character*12 name
      common /who/ me

      print '(a)', '[mailboxes]'
      do 10 i = 1, 3
         call pvmfinitsend(PVMDEFAULT, buf)
         call pvmfpack(INTEGER4, i, 1, 1, info)
         call pvmfputinfo('f.list ', buf, PVMMBOXMULTIINSTANCE, at)
         call show('putinfo', at)
 10   continue
      call pvmfputinfo('f.one', buf, PVMMBOXDEFAULT, at)
      call show('putinfo', at)
      call pvmfputinfo(' ', buf, PVMMBOXDEFAULT, at)
      call show('putinfo', at)
      info = 0
      classes = -1
      name = 'unset'
      call pvmfgetmboxinfo('f.list', name, classes, entries, ix,
     &                     owner, flags, info)
      call show('getmboxinfo', info)
      print '(a,a,a)', '"', name, '"'
      do 20 i = 1, entries
         print *, ix(i), owner(i) .eq. me, flags(i)
 20   continue
      classes = -1
      call pvmfgetmboxinfo('f.none', name, classes, entries, ix,
     &                     owner, flags, info)
      call show('getmboxinfo', info)
      call pvmfrecvinfo('f.list', 1, PVMMBOXDEFAULT, buf)
      call show('recvinfo', min(buf, 1))
      call pvmfunpack(INTEGER4, v, 1, 1, info)
      call show('value', v)
      call pvmfrecvinfo('f.none', 0, PVMMBOXDEFAULT, buf)
      call show('recvinfo', buf)
      call pvmfdelinfo('f.list', 1, PVMMBOXDEFAULT, info)
      call show('delinfo', info)
      call pvmfdelinfo('f.list', 1, PVMMBOXDEFAULT, info)
      call show('delinfo', info)
      call pvmfdelinfo('f.one', 0, PVMMBOXDEFAULT, info)
      call show('delinfo', info)
      end

      subroutine contexts
      implicit none
      include 'fpvm3.h'
      integer a, old, info

      print '(a)', '[contexts]'
      call pvmfgetcontext(a)
      call show('getcontext', a)
      call pvmfnewcontext(a)
      call show('newcontext', min(a, 1))
      call pvmfsetcontext(a, old)
      call show('setcontext', old)
      call pvmfsetcontext(0, old)
      call show('setcontext', old - a)
      call pvmffreecontext(a, info)
      call show('freecontext', info)
      end

      subroutine twice(type, x, y, n, info)
      implicit none
      integer type, n, info, x(*), y(*), i
      do 10 i = 1, n
         x(i) = x(i) + 2 * y(i)
 10   continue
      info = 0
      end

      subroutine groups
      implicit none
      include 'fpvm3.h'
      external pvmsum, twice
      integer me, info, v(2), w(2), tid
      common /who/ me
      data v /1, 2/, w /3, 4/

      print '(a)', '[groups]'
      call pvmfjoingroup('f.team  ', info)
      call show('joingroup', info)
      call pvmfjoingroup('f.team', info)
      call show('joingroup', info)
      call pvmfjoingroup(' ', info)
      call show('joingroup', info)
      call pvmfgsize('f.team', info)
      call show('gsize', info)
      call pvmfgettid('f.team', 0, tid)
      call showid('gettid', tid)
      call pvmfgetinst('f.team', me, info)
      call show('getinst', info)
      call pvmfbarrier('f.team', 1, info)
      call show('barrier', info)
      call pvmfbcast('f.team', 1, info)
      call show('bcast', info)
      call pvmfreduce(pvmsum, v, 2, INTEGER4, 9, 'f.team', 0, info)
      call show('reduce', info)
      call pvmfscatter(w, v, 2, INTEGER4, 9, 'f.team', 0, info)
      call show('scatter', info)
      print *, w
      call pvmfgather(v, w, 2, INTEGER4, 9, 'f.team', 0, info)
      call show('gather', info)
      call pvmfgather(v, w, 2, INTEGER4, 9, 'f.none', 0, info)
      call show('gather', info)
      call pvmfreduce(twice, v, 2, 77, 9, 'f.team', 0, info)
      call show('reduce', info)
      call pvmfreduce(pvmsum, v, 2, INTEGER4, 9, 'f.team', 7, info)
      call show('reduce', info)
      call pvmflvgroup('f.team', info)
      call show('lvgroup', info)
      call pvmflvgroup('f.team', info)
      call show('lvgroup', info)
      end

!     Two children; together with us they are a group.
      subroutine spawning
      implicit none
      include 'fpvm3.h'
      external pvmsum, pvmmax, pvmmin, pvmproduct, twice
      integer me, tids(2), n, info, v(6), w(2), buf, i
      character*256 self
      common /who/ me

      print '(a)', '[spawning]'
      call pvmfspawn('/no/such/file', PVMDEFAULT, '*', 1, tids, n)
      call show('spawn', n)
      call show('why', tids(1))
      call pvmfspawn('x', PVMHOST, 'no.such.host', 1, tids, n)
      call show('spawn', n)
      call show('why', tids(1))
      call getarg(0, self)
      call pvmfspawn(self, PVMARCH, 'LINUX64', 2, tids, n)
      call show('spawn', n)
      if (n .ne. 2) return
      call pvmfjoingroup('f.three', info)
      call show('joingroup', info)
      do 10 i = 1, 2
         call pvmfinitsend(PVMDEFAULT, buf)
         call pvmfsend(tids(i), 1, info)
         call pvmfrecv(tids(i), 2, buf)
         call pvmfunpack(INTEGER4, n, 1, 1, info)
         call show('instance', n)
 10   continue
      v(1) = 1
      v(2) = 10
      call pvmfreduce(pvmsum, v, 2, INTEGER4, 11, 'f.three', 0, info)
      call show('sum', info)
      print *, v(1), v(2)
      call pvmfreduce(pvmmax, v, 2, INTEGER4, 12, 'f.three', 0, info)
      print *, info, v(1), v(2)
      call pvmfreduce(pvmmin, v, 2, INTEGER4, 13, 'f.three', 0, info)
      print *, info, v(1), v(2)
      call pvmfreduce(pvmproduct, v, 2, INTEGER4, 14, 'f.three', 0,
     &                info)
      print *, info, v(1), v(2)
      call pvmfreduce(twice, v, 2, INTEGER4, 15, 'f.three', 0, info)
      print *, info, v(1), v(2)
      do 20 i = 1, 6
         v(i) = i
 20   continue
      call pvmfscatter(w, v, 2, INTEGER4, 16, 'f.three', 0, info)
      print *, info, w
      call pvmfgather(v, w, 2, INTEGER4, 17, 'f.three', 0, info)
      print *, info, v
      call pvmfinitsend(PVMDEFAULT, buf)
      call pvmfbcast('f.three', 18, info)
      call show('bcast', info)
      call pvmfbarrier('f.three', 3, info)
      call show('barrier', info)
      call pvmflvgroup('f.three', info)
      call show('lvgroup', info)
      end

      subroutine child(parent)
      implicit none
      include 'fpvm3.h'
      external pvmsum, pvmmax, pvmmin, pvmproduct, twice
      integer parent, inst, buf, info, v(6), w(2)

      call pvmfrecv(parent, 1, buf)
      call pvmfjoingroup('f.three', inst)
      call pvmfinitsend(PVMDEFAULT, buf)
      call pvmfpack(INTEGER4, inst, 1, 1, info)
      call pvmfsend(parent, 2, info)
      v(1) = 1 + inst
      v(2) = -10 * inst
      call pvmfreduce(pvmsum, v, 2, INTEGER4, 11, 'f.three', 0, info)
      call pvmfreduce(pvmmax, v, 2, INTEGER4, 12, 'f.three', 0, info)
      call pvmfreduce(pvmmin, v, 2, INTEGER4, 13, 'f.three', 0, info)
      call pvmfreduce(pvmproduct, v, 2, INTEGER4, 14, 'f.three', 0,
     &                info)
      call pvmfreduce(twice, v, 2, INTEGER4, 15, 'f.three', 0, info)
      call pvmfscatter(w, v, 2, INTEGER4, 16, 'f.three', 0, info)
      call pvmfgather(v, w, 2, INTEGER4, 17, 'f.three', 0, info)
      call pvmfrecv(-1, 18, buf)
      call pvmfbarrier('f.three', 3, info)
      call pvmflvgroup('f.three', info)
      call pvmfexit(info)
      end

#if MPI
  import CMPI

  /// A small message of the heartbeat, with its own memory: nobody waits for it.
  final class MPIParcel {
    let peer: Int
    let words: UnsafeMutableBufferPointer<Int64>
    private var request = convoy_mpi_request_null()

    private init(peer: Int, count: Int) {
      self.peer = peer
      words = .allocate(capacity: count)
      words.initialize(repeating: 0)
    }

    deinit {
      words.deallocate()
    }

    /// Nil where MPI refuses. With the lock, as all of these.
    static func send(_ words: [Int64], to peer: Int, tag: Int32, _ group: MPI_Comm) -> MPIParcel? {
      let parcel = MPIParcel(peer: peer, count: words.count)
      _ = parcel.words.update(from: words)
      let code = MPI_Isend(
        parcel.words.baseAddress, Int32(words.count), convoy_mpi_int64(), Int32(peer), tag, group,
        &parcel.request)
      return code == MPI_SUCCESS ? parcel : nil
    }

    /// A message that was found by a probe with this status.
    static func receive(_ status: MPI_Status, _ group: MPI_Comm) -> MPIParcel? {
      var status = status
      var count: Int32 = 0
      guard MPI_Get_count(&status, convoy_mpi_int64(), &count) == MPI_SUCCESS, count >= 0 else {
        return nil
      }
      let parcel = MPIParcel(peer: Int(status.MPI_SOURCE), count: Int(count))
      let code = MPI_Irecv(
        parcel.words.baseAddress, count, convoy_mpi_int64(), status.MPI_SOURCE, status.MPI_TAG,
        group, &parcel.request)
      return code == MPI_SUCCESS ? parcel : nil
    }

    /// A parcel that failed counts as delivered: whoever misses it will notice.
    var isDelivered: Bool {
      var status = MPI_Status()
      return (try? MPILock.test(&request, &status, "MPI_Test")) ?? true
    }
  }
#endif

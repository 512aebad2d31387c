extension ConfigurationKey {
  /// What keys are called elsewhere (PyTorch, Keras, Hugging Face), where that is too far from their names here to be a
  /// slip: without the section, in lower case, without `_` and `-`.
  static let otherNames: [String: Set<String>] = [
    "seed": ["randomseed", "manualseed", "rngseed", "randomstate"],
    "output": ["outputdir", "outdir", "logdir", "savedir", "rundir", "dir", "folder"],
    "model.form": ["arch", "architecture", "model", "decomposition", "factorization", "format"],
    "model.compression": ["cr", "rank", "ranks", "ratio", "compressionratio"],
    "data.kind": ["dataset", "data"],
    "data.path": ["datadir", "dataroot", "root", "datapath", "datafolder"],
    "data.trainingSamples": [
      "trainsize", "numtrain", "ntrain", "maxtrainsamples", "trainsamples", "samples",
    ],
    "data.testSamples": [
      "testsize", "numtest", "ntest", "maxevalsamples", "validationsamples", "valsamples",
    ],
    "data.padding": ["pad", "imagepadding", "zeropadding"],
    "data.classes": ["numclasses", "nclasses", "labels"],
    "data.channels": ["inchannels", "numchannels"],
    "training.epochs": ["numepochs", "nepochs", "maxepochs", "numtrainepochs"],
    "training.batchSize": [
      "bs", "batch", "minibatch", "trainbatchsize", "perdevicetrainbatchsize",
    ],
    "training.maxSteps": [
      "steps", "numsteps", "iterations", "maxiterations", "maxiter", "maxiters", "iters",
    ],
    "training.schedule": [
      "scheduler", "lrscheduler", "lrschedule", "lrschedulertype", "lrdecay",
    ],
    "training.warmUpEpochs": ["warmup", "warmupsteps", "numwarmupsteps", "warmupratio"],
    "training.stepEpochs": ["stepsize", "milestones", "decayepochs"],
    "training.stepFactor": ["gamma", "decayrate", "decayfactor", "lrgamma"],
    "training.precision": ["dtype", "floattype", "defaultdtype", "numericprecision"],
    "training.checkpointing": ["recompute", "gradientcheckpointing", "activationcheckpointing"],
    "training.checkpointSteps": [
      "savesteps", "saveevery", "saveinterval", "checkpointevery", "checkpointinterval",
    ],
    "training.memory": ["maxmemory", "memorylimit"],
    "optimizer.kind": ["optim", "opt", "optimizer", "algorithm"],
    "optimizer.learningRate": ["lr", "eta", "baselr", "maxlr", "initiallr"],
    "optimizer.weightDecay": ["wd", "l2", "regularization", "l2regularization"],
    "optimizer.beta1": ["betas", "adambeta1"],
    "optimizer.beta2": ["adambeta2"],
    "optimizer.epsilon": ["eps", "adameps", "adamepsilon"],
  ]
}

convoy: error: found '-', expected '->'
  ij,jk-
       ^
Fix: write '->'

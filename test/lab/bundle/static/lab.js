console.log("the bundle");
